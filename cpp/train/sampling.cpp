#include "train/sampling.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace siamaudio {
namespace {

std::vector<std::vector<int64_t>> clips_by_class(std::span<const int64_t> labels, int64_t num_classes) {
  std::vector<std::vector<int64_t>> clips(static_cast<size_t>(num_classes));
  for (size_t clip = 0; clip < labels.size(); ++clip)
    clips[static_cast<size_t>(labels[clip])].push_back(static_cast<int64_t>(clip));
  return clips;
}

/// The first `count` of a random order of `candidates`, all where there are fewer.
void keep_random(std::vector<int64_t>& candidates, int64_t count, Random& random) {
  count = std::min(count, static_cast<int64_t>(candidates.size()));
  for (int64_t i = 0; i < count; ++i)
    std::swap(candidates[static_cast<size_t>(i)],
              candidates[static_cast<size_t>(i + random.below(static_cast<int64_t>(candidates.size()) - i))]);
  candidates.resize(static_cast<size_t>(count));
}

}  // namespace

std::vector<Pair> honka_pairs(std::span<const int64_t> labels, int64_t num_classes, double negative_ratio,
                              Random& random) {
  auto by_class = clips_by_class(labels, num_classes);
  std::vector<int64_t> drawn;
  std::vector<int64_t> num_positives;  // of each class's clips
  for (auto& clips : by_class) {
    random.shuffle(clips);
    const auto size = static_cast<int64_t>(clips.size());
    num_positives.push_back(size / 2);
    drawn.insert(drawn.end(), clips.begin(), clips.begin() + (size - size / 2));
  }
  random.shuffle(drawn);

  std::vector<bool> has_left(labels.size(), false);
  std::vector<Pair> pairs;
  std::vector<int64_t> same;
  std::vector<int64_t> other;
  for (const int64_t clip : drawn) {
    const int64_t label = labels[static_cast<size_t>(clip)];
    same.clear();
    other.clear();
    for (size_t candidate = 0; candidate < labels.size(); ++candidate) {
      if (has_left[candidate] || static_cast<int64_t>(candidate) == clip) continue;
      (labels[candidate] == label ? same : other).push_back(static_cast<int64_t>(candidate));
    }
    const int64_t count = num_positives[static_cast<size_t>(label)];
    keep_random(same, count, random);
    keep_random(other, std::llround(negative_ratio * static_cast<double>(count)), random);
    for (const int64_t partner : same) pairs.push_back({clip, partner, true});
    for (const int64_t partner : other) pairs.push_back({clip, partner, false});
    has_left[static_cast<size_t>(clip)] = true;
  }
  random.shuffle(pairs);
  return pairs;
}

std::vector<std::vector<int64_t>> balanced_batches(std::span<const int64_t> labels, int64_t num_classes,
                                                   int64_t batch_size, int64_t clips_per_class, Random& random) {
  const auto num_clips = static_cast<int64_t>(labels.size());
  const int64_t num_batches = std::max<int64_t>(1, (num_clips + batch_size / 2) / batch_size);
  // Two classes a batch at least, or there would be no pairs of different ones.
  const int64_t largest_group = std::max<int64_t>(2, batch_size / 2);
  const int64_t group_size =
      std::clamp((batch_size + num_classes - 1) / num_classes, std::min(clips_per_class, largest_group), largest_group);

  auto by_class = clips_by_class(labels, num_classes);
  random.shuffle(by_class);
  std::vector<std::vector<int64_t>> batches(static_cast<size_t>(num_batches));
  std::vector<int64_t> order(static_cast<size_t>(num_batches));
  for (int64_t i = 0; i < num_batches; ++i) order[static_cast<size_t>(i)] = i;

  for (auto& clips : by_class) {
    random.shuffle(clips);
    std::vector<bool> holds_class(static_cast<size_t>(num_batches), false);
    const auto size = static_cast<int64_t>(clips.size());
    for (int64_t begin = 0, end = 0; begin < size; begin = end) {
      end = std::min(begin + group_size, size);
      if (size - end == 1) end = size;  // no clip is left without a partner
      random.shuffle(order);
      const int64_t target = *std::ranges::min_element(order, {}, [&](int64_t batch) {
        return std::tuple(static_cast<bool>(holds_class[static_cast<size_t>(batch)]),
                          batches[static_cast<size_t>(batch)].size());
      });
      auto& batch = batches[static_cast<size_t>(target)];
      batch.insert(batch.end(), clips.begin() + begin, clips.begin() + end);
      holds_class[static_cast<size_t>(target)] = true;
    }
  }
  std::erase_if(batches, [](const auto& batch) { return batch.empty(); });
  random.shuffle(batches);
  return batches;
}

}  // namespace siamaudio

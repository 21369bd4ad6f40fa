#include <cmath>
#include <string>

#include "base/errors.h"
#include "train/samplers.h"

namespace siamaudio {

void check(const HonkaPairsOptions& options, const ClassifiedClips& clips) {
  require_at_least("batch_size", options.batch_size, 1);
  if (!(options.negative_ratio > 0) || !std::isfinite(options.negative_ratio))
    throw ParameterError("negative_ratio", std::to_string(options.negative_ratio), "a finite number above 0");
  require_pairs(clips);
}

std::vector<Batch> plan(const HonkaPairsOptions& options, ClassifiedClips clips, Random& random) {
  std::vector<int64_t> drawn;
  std::vector<int64_t> num_positives;  // of each class's clips
  for (auto& members : clips.by_class) {
    random.shuffle(members);
    const auto size = static_cast<int64_t>(members.size());
    num_positives.push_back(size / 2);
    drawn.insert(drawn.end(), members.begin(), members.begin() + (size - size / 2));
  }
  random.shuffle(drawn);

  const std::span<const int64_t> labels = clips.labels;
  const auto limit = static_cast<double>(labels.size());  // a ratio beyond all clips is as good as all of them
  std::vector<bool> has_left(labels.size(), false);
  std::vector<ClipPair> pairs;
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
    keep_random(other, std::llround(std::min(options.negative_ratio * static_cast<double>(count), limit)), random);
    for (const int64_t partner : same) pairs.push_back({clip, partner, true});
    for (const int64_t partner : other) pairs.push_back({clip, partner, false});
    has_left[static_cast<size_t>(clip)] = true;
  }
  random.shuffle(pairs);
  return cut(pairs, options.batch_size, two_sided);
}

}  // namespace siamaudio

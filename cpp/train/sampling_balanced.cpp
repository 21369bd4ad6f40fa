#include <cmath>
#include <string>
#include <tuple>

#include "base/errors.h"
#include "train/samplers.h"

namespace siamaudio {

void check(const BalancedOptions& options, const ClassifiedClips& clips) {
  require_at_least("batch_size", options.batch_size, 2);
  require_at_least("clips_per_class", options.clips_per_class, 2);
  if (!(options.negative_ratio > 0) || !std::isfinite(options.negative_ratio))
    throw ParameterError("negative_ratio", std::to_string(options.negative_ratio), "a finite number above 0");
  require_pairs(clips);
}

std::vector<Batch> plan(const BalancedOptions& options, ClassifiedClips clips, Random& random) {
  const auto num_clips = static_cast<int64_t>(clips.labels.size());
  const int64_t batch_size = std::min(options.batch_size, 2 * num_clips);  // more is as good: one batch
  const int64_t num_batches = std::max<int64_t>(1, (num_clips + batch_size / 2) / batch_size);
  // Two classes a batch at least, or there would be no pairs of different ones.
  const int64_t largest_group = std::max<int64_t>(2, batch_size / 2);
  const int64_t group_size = std::clamp((batch_size + clips.num_classes() - 1) / clips.num_classes(),
                                        std::min(options.clips_per_class, largest_group), largest_group);

  random.shuffle(clips.by_class);
  std::vector<Batch> batches(static_cast<size_t>(num_batches));
  std::vector<int64_t> order(static_cast<size_t>(num_batches));
  for (int64_t i = 0; i < num_batches; ++i) order[static_cast<size_t>(i)] = i;

  for (auto& members : clips.by_class) {
    random.shuffle(members);
    std::vector<bool> holds_class(static_cast<size_t>(num_batches), false);
    const auto size = static_cast<int64_t>(members.size());
    for (int64_t begin = 0, end = 0; begin < size; begin = end) {
      end = std::min(begin + group_size, size);
      if (size - end == 1) end = size;  // no clip is left without a partner
      random.shuffle(order);
      const int64_t target = *std::ranges::min_element(order, {}, [&](int64_t batch) {
        return std::tuple(static_cast<bool>(holds_class[static_cast<size_t>(batch)]),
                          batches[static_cast<size_t>(batch)].clips.size());
      });
      auto& batch = batches[static_cast<size_t>(target)].clips;
      batch.insert(batch.end(), members.begin() + begin, members.begin() + end);
      holds_class[static_cast<size_t>(target)] = true;
    }
  }
  std::erase_if(batches, [](const Batch& batch) { return batch.clips.empty(); });
  random.shuffle(batches);
  return batches;
}

}  // namespace siamaudio

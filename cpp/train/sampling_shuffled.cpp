#include <numeric>
#include <string>

#include "base/errors.h"
#include "train/samplers.h"

namespace siamaudio {

void check(const ShuffledOptions& options, const ClassifiedClips& clips) {
  require_at_least("batch_size", options.batch_size, 2);
  if (clips.labels.size() < 2)
    throw TrainingError("training needs two clips or more, and there are " + std::to_string(clips.labels.size()));
}

std::vector<Batch> plan(const ShuffledOptions& options, ClassifiedClips clips, Random& random) {
  std::vector<int64_t> order(clips.labels.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  random.shuffle(order);
  std::vector<Batch> batches = cut(order, options.batch_size, [](std::span<const int64_t> part) {
    return Batch{.clips = {part.begin(), part.end()}, .pairs = {}, .triplets = {}};
  });
  if (batches.back().clips.size() == 1) {  // batch norm knows no deviation of a single clip
    const int64_t clip = batches.back().clips[0];
    batches.pop_back();
    batches.back().clips.push_back(clip);
  }
  return batches;
}

}  // namespace siamaudio

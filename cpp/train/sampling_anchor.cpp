#include <string>

#include "base/errors.h"
#include "train/samplers.h"

namespace siamaudio {

void check(const AnchorPairsOptions& options, const ClassifiedClips& clips) {
  require_at_least("num_positive", options.num_positive, 1);
  require_at_least("num_negative", options.num_negative, 1);
  require_at_least("steps_per_epoch", options.steps_per_epoch, 1);
  require_pairs(clips);
  require_partners(options.num_positive, options.num_negative, clips);
}

std::vector<Batch> plan(const AnchorPairsOptions& options, ClassifiedClips clips, Random& random) {
  std::vector<Batch> batches;
  for (int64_t step = 0; step < options.steps_per_epoch; ++step) {
    std::vector<ClipPair> pairs;
    for (int64_t label = 0; label < clips.num_classes(); ++label) {
      auto drawn = clips.by_class[static_cast<size_t>(label)];
      keep_random(drawn, 1 + options.num_positive, random);
      const int64_t anchor = drawn[0];
      for (size_t i = 1; i < drawn.size(); ++i) pairs.push_back({anchor, drawn[i], true});
      for (const int64_t clip : one_of_other_classes(clips, label, options.num_negative, random))
        pairs.push_back({anchor, clip, false});
    }
    batches.push_back(two_sided(pairs));
  }
  return batches;
}

}  // namespace siamaudio

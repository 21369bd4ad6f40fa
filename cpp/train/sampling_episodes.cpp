#include <numeric>
#include <string>

#include "base/errors.h"
#include "train/samplers.h"

namespace siamaudio {

void check(const EpisodesOptions& options, const ClassifiedClips& clips) {
  require_at_least("ways", options.ways, 2);
  require_at_least("shots", options.shots, 1);
  require_at_least("queries", options.queries, 1);
  require_at_least("episodes_per_epoch", options.episodes_per_epoch, 1);
  require_pairs(clips);
  if (options.ways > clips.num_classes())
    throw ParameterError("ways", std::to_string(options.ways),
                         "2 to " + std::to_string(clips.num_classes()) + ", the number of classes");
  const int64_t smallest = smallest_class(clips);
  const auto size = static_cast<int64_t>(clips.by_class[static_cast<size_t>(smallest)].size());
  if (options.shots > size - 1)
    throw ParameterError("shots", std::to_string(options.shots),
                         up_to(size - 1) + ", as " + describe_class(clips, smallest));
  if (options.queries > size - options.shots)
    throw ParameterError("queries", std::to_string(options.queries),
                         up_to(size - options.shots) + " beside shots=" + std::to_string(options.shots) + ", as " +
                             describe_class(clips, smallest));
}

std::vector<Batch> plan(const EpisodesOptions& options, ClassifiedClips clips, Random& random) {
  std::vector<int64_t> all_classes(clips.by_class.size());
  std::iota(all_classes.begin(), all_classes.end(), int64_t{0});
  std::vector<Batch> batches;
  for (int64_t episode = 0; episode < options.episodes_per_epoch; ++episode) {
    auto classes = all_classes;
    keep_random(classes, options.ways, random);
    Batch batch{.clips = {}, .pairs = {}, .triplets = {}, .num_support = options.ways * options.shots};
    std::vector<int64_t> queries;
    for (const int64_t label : classes) {
      auto drawn = clips.by_class[static_cast<size_t>(label)];
      keep_random(drawn, options.shots + options.queries, random);
      batch.clips.insert(batch.clips.end(), drawn.begin(), drawn.begin() + options.shots);
      queries.insert(queries.end(), drawn.begin() + options.shots, drawn.end());
    }
    batch.clips.insert(batch.clips.end(), queries.begin(), queries.end());
    batches.push_back(std::move(batch));
  }
  return batches;
}

}  // namespace siamaudio

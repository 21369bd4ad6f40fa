#include "train/sampling.h"

#include <string>

#include "base/errors.h"
#include "train/samplers.h"

namespace siamaudio {
namespace {

ClassifiedClips classify(std::span<const int64_t> labels, int64_t num_classes) {
  ClassifiedClips clips{.labels = labels,
                        .by_class = std::vector<std::vector<int64_t>>(static_cast<size_t>(num_classes))};
  for (size_t clip = 0; clip < labels.size(); ++clip) {
    const int64_t label = labels[clip];
    if (label < 0 || label >= num_classes)
      throw ParameterError("labels", std::to_string(label), "0 to " + std::to_string(num_classes - 1));
    clips.by_class[static_cast<size_t>(label)].push_back(static_cast<int64_t>(clip));
  }
  return clips;
}

}  // namespace

void check_sampler(const SamplerOptions& sampler, std::span<const int64_t> labels, int64_t num_classes) {
  const ClassifiedClips clips = classify(labels, num_classes);
  std::visit([&](const auto& options) { check(options, clips); }, sampler);
}

std::vector<Batch> plan_epoch(const SamplerOptions& sampler, std::span<const int64_t> labels, int64_t num_classes,
                              Random& random) {
  ClassifiedClips clips = classify(labels, num_classes);
  return std::visit(
      [&](const auto& options) {
        check(options, clips);
        return plan(options, std::move(clips), random);
      },
      sampler);
}

// ---- What the samplers share

void require_pairs(const ClassifiedClips& clips) {
  if (clips.num_classes() < 2)
    throw TrainingError("training on pairs needs two classes or more, and there are " +
                        std::to_string(clips.num_classes()));
  const int64_t smallest = smallest_class(clips);
  if (clips.by_class[static_cast<size_t>(smallest)].size() < 2)
    throw TrainingError("training on pairs needs two clips or more of each class, and " +
                        describe_class(clips, smallest));
}

void require_at_least(const char* name, int64_t value, int64_t least) {
  if (value < least) throw ParameterError(name, std::to_string(value), std::to_string(least) + " or more");
}

void require_partners(int64_t num_positive, int64_t num_negative, const ClassifiedClips& clips) {
  const int64_t smallest = smallest_class(clips);
  const auto size = static_cast<int64_t>(clips.by_class[static_cast<size_t>(smallest)].size());
  if (num_positive > size - 1)
    throw ParameterError("num_positive", std::to_string(num_positive),
                         up_to(size - 1) + ", as " + describe_class(clips, smallest));
  if (num_negative > clips.num_classes() - 1)
    throw ParameterError(
        "num_negative", std::to_string(num_negative),
        up_to(clips.num_classes() - 1) + ", as there are " + std::to_string(clips.num_classes()) + " classes");
}

std::string up_to(int64_t most) { return most == 1 ? "1" : "1 to " + std::to_string(most); }

int64_t smallest_class(const ClassifiedClips& clips) {
  return std::ranges::min_element(clips.by_class, {}, [](const auto& members) { return members.size(); }) -
         clips.by_class.begin();
}

std::string describe_class(const ClassifiedClips& clips, int64_t label) {
  const size_t size = clips.by_class[static_cast<size_t>(label)].size();
  return "class " + std::to_string(label) + " has " + std::to_string(size) + (size == 1 ? " clip" : " clips");
}

void keep_random(std::vector<int64_t>& candidates, int64_t count, Random& random) {
  count = std::min(count, static_cast<int64_t>(candidates.size()));
  for (int64_t i = 0; i < count; ++i)
    std::swap(candidates[static_cast<size_t>(i)],
              candidates[static_cast<size_t>(i + random.below(static_cast<int64_t>(candidates.size()) - i))]);
  candidates.resize(static_cast<size_t>(count));
}

std::vector<int64_t> one_of_other_classes(const ClassifiedClips& clips, int64_t label, int64_t count, Random& random) {
  std::vector<int64_t> classes;
  for (int64_t other = 0; other < clips.num_classes(); ++other)
    if (other != label) classes.push_back(other);
  keep_random(classes, count, random);
  std::vector<int64_t> drawn;
  for (const int64_t other : classes) {
    const auto& members = clips.by_class[static_cast<size_t>(other)];
    drawn.push_back(members[static_cast<size_t>(random.below(static_cast<int64_t>(members.size())))]);
  }
  return drawn;
}

Batch two_sided(std::span<const ClipPair> pairs) {
  const auto count = static_cast<int64_t>(pairs.size());
  Batch batch{.clips = {}, .num_sides = 2, .pairs = {}, .triplets = {}};
  for (const ClipPair& pair : pairs) batch.clips.push_back(pair.left);
  for (const ClipPair& pair : pairs) batch.clips.push_back(pair.right);
  for (int64_t i = 0; i < count; ++i) batch.pairs.push_back({i, count + i, pairs[static_cast<size_t>(i)].is_same});
  return batch;
}

Batch three_sided(std::span<const ClipTriplet> triplets) {
  const auto count = static_cast<int64_t>(triplets.size());
  Batch batch{.clips = {}, .num_sides = 3, .pairs = {}, .triplets = {}};
  for (const ClipTriplet& triplet : triplets) batch.clips.push_back(triplet.anchor);
  for (const ClipTriplet& triplet : triplets) batch.clips.push_back(triplet.positive);
  for (const ClipTriplet& triplet : triplets) batch.clips.push_back(triplet.negative);
  for (int64_t i = 0; i < count; ++i) batch.triplets.push_back({i, count + i, 2 * count + i});
  return batch;
}

}  // namespace siamaudio

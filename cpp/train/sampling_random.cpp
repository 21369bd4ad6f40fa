#include <set>
#include <string>
#include <utility>

#include "base/errors.h"
#include "train/samplers.h"

namespace siamaudio {

// ---- Pairs

void check(const RandomPairsOptions& options, const ClassifiedClips& clips) {
  require_at_least("num_positive", options.num_positive, 1);
  require_at_least("num_negative", options.num_negative, 1);
  require_pairs(clips);
  require_partners(options.num_positive, options.num_negative, clips);
  require_at_least("batch_size", options.batch_size, options.num_positive + options.num_negative);
}

std::vector<Batch> plan(const RandomPairsOptions& options, ClassifiedClips clips, Random& random) {
  // Each class stands in a circle in random order; a clip's partners are the clips after it. Going round, every clip is
  // as often a partner as an anchor, and two clips meet twice only in a class too small for all to be anchors.
  std::vector<std::vector<ClipPair>> anchors;
  for (int64_t label = 0; label < clips.num_classes(); ++label) {
    auto& circle = clips.by_class[static_cast<size_t>(label)];
    random.shuffle(circle);
    const auto size = static_cast<int64_t>(circle.size());
    std::set<std::pair<int64_t, int64_t>> met;
    for (int64_t i = 0; i < size; ++i) {
      const int64_t anchor = circle[static_cast<size_t>(i)];
      std::vector<ClipPair> pairs;
      for (int64_t step = 1; step <= options.num_positive; ++step)
        pairs.push_back({anchor, circle[static_cast<size_t>((i + step) % size)], true});
      const auto have_met = [&](const ClipPair& pair) { return met.contains(std::minmax(pair.left, pair.right)); };
      if (std::ranges::any_of(pairs, have_met)) continue;
      for (const ClipPair& pair : pairs) met.insert(std::minmax(pair.left, pair.right));
      for (const int64_t clip : one_of_other_classes(clips, label, options.num_negative, random))
        pairs.push_back({anchor, clip, false});
      anchors.push_back(std::move(pairs));
    }
  }
  random.shuffle(anchors);
  const int64_t anchors_per_batch = options.batch_size / (options.num_positive + options.num_negative);
  return cut(anchors, anchors_per_batch, [](std::span<const std::vector<ClipPair>> part) {
    std::vector<ClipPair> pairs;
    for (const auto& of_anchor : part) pairs.insert(pairs.end(), of_anchor.begin(), of_anchor.end());
    return two_sided(pairs);
  });
}

// ---- Triplets

void check(const RandomTripletsOptions& options, const ClassifiedClips& clips) {
  require_at_least("batch_size", options.batch_size, 1);
  require_at_least("triplets_per_anchor", options.triplets_per_anchor, 1);
  require_pairs(clips);
  const auto num_clips = static_cast<int64_t>(clips.labels.size());
  for (int64_t label = 0; label < clips.num_classes(); ++label) {
    const auto size = static_cast<int64_t>(clips.by_class[static_cast<size_t>(label)].size());
    const int64_t num_triplets = (size - 1) * (num_clips - size);
    if (options.triplets_per_anchor > num_triplets)
      throw ParameterError(
          "triplets_per_anchor", std::to_string(options.triplets_per_anchor),
          up_to(num_triplets) + ", as " + describe_class(clips, label) + " of " + std::to_string(num_clips));
  }
}

std::vector<Batch> plan(const RandomTripletsOptions& options, ClassifiedClips clips, Random& random) {
  const auto num_clips = static_cast<int64_t>(clips.labels.size());
  std::vector<ClipTriplet> triplets;
  for (int64_t label = 0; label < clips.num_classes(); ++label) {
    const auto& own = clips.by_class[static_cast<size_t>(label)];
    std::vector<int64_t> others;
    for (int64_t clip = 0; clip < num_clips; ++clip)
      if (clips.labels[static_cast<size_t>(clip)] != label) others.push_back(clip);
    const auto num_others = static_cast<int64_t>(others.size());
    const int64_t num_partners = static_cast<int64_t>(own.size()) - 1;
    for (size_t i = 0; i < own.size(); ++i) {
      // Floyd's sample without repetition from all (positive, negative) of the anchor.
      std::set<int64_t> drawn;
      for (int64_t last = num_partners * num_others - options.triplets_per_anchor; last < num_partners * num_others;
           ++last)
        if (!drawn.insert(random.below(last + 1)).second) drawn.insert(last);
      for (const int64_t choice : drawn) {
        const auto positive = static_cast<size_t>(choice / num_others);
        triplets.push_back(
            {own[i], own[positive + (positive >= i ? 1 : 0)], others[static_cast<size_t>(choice % num_others)]});
      }
    }
  }
  random.shuffle(triplets);
  return cut(triplets, options.batch_size, three_sided);
}

}  // namespace siamaudio

// The samplers one by one, for plan_epoch(): each checks its options against the classes, then plans an epoch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "train/sampling.h"

namespace siamaudio {

/// Labels, and the clips of each class in ascending order.
struct ClassifiedClips {
  std::span<const int64_t> labels;
  std::vector<std::vector<int64_t>> by_class;

  int64_t num_classes() const { return static_cast<int64_t>(by_class.size()); }
};

void check(const HonkaPairsOptions& options, const ClassifiedClips& clips);
void check(const AnchorPairsOptions& options, const ClassifiedClips& clips);
void check(const RandomPairsOptions& options, const ClassifiedClips& clips);
void check(const RandomTripletsOptions& options, const ClassifiedClips& clips);
void check(const BalancedOptions& options, const ClassifiedClips& clips);
void check(const ShuffledOptions& options, const ClassifiedClips& clips);
void check(const EpisodesOptions& options, const ClassifiedClips& clips);

std::vector<Batch> plan(const HonkaPairsOptions& options, ClassifiedClips clips, Random& random);
std::vector<Batch> plan(const AnchorPairsOptions& options, ClassifiedClips clips, Random& random);
std::vector<Batch> plan(const RandomPairsOptions& options, ClassifiedClips clips, Random& random);
std::vector<Batch> plan(const RandomTripletsOptions& options, ClassifiedClips clips, Random& random);
std::vector<Batch> plan(const BalancedOptions& options, ClassifiedClips clips, Random& random);
std::vector<Batch> plan(const ShuffledOptions& options, ClassifiedClips clips, Random& random);
std::vector<Batch> plan(const EpisodesOptions& options, ClassifiedClips clips, Random& random);

// ---- What they share

/// Throws TrainingError unless there are two classes, each of two clips: the least that pairs can be made of.
void require_pairs(const ClassifiedClips& clips);

/// Throws ParameterError unless value >= least.
void require_at_least(const char* name, int64_t value, int64_t least);

/// Throws ParameterError unless an anchor of any class has so many partners of its own class, and of so many others.
void require_partners(int64_t num_positive, int64_t num_negative, const ClassifiedClips& clips);

/// "1 to 5", or "1" where there is nothing else.
std::string up_to(int64_t most);

/// The class with the fewest clips.
int64_t smallest_class(const ClassifiedClips& clips);

/// "class 3 has 7 clips", classes counted from 0.
std::string describe_class(const ClassifiedClips& clips, int64_t label);

/// The first `count` of a random order of `candidates`, all where there are fewer.
void keep_random(std::vector<int64_t>& candidates, int64_t count, Random& random);

/// One random clip each of `count` random classes other than `label`.
std::vector<int64_t> one_of_other_classes(const ClassifiedClips& clips, int64_t label, int64_t count, Random& random);

/// A pair or triplet by clips, the anchor first.
struct ClipPair {
  int64_t left;
  int64_t right;
  bool is_same;
};

struct ClipTriplet {
  int64_t anchor;
  int64_t positive;
  int64_t negative;
};

/// All left clips, then all right ones.
Batch two_sided(std::span<const ClipPair> pairs);

/// All anchors, then all positives, then all negatives.
Batch three_sided(std::span<const ClipTriplet> triplets);

/// Cuts `items` into batches of `size`, the last one maybe shorter.
template <typename Item, typename MakeBatch>
std::vector<Batch> cut(const std::vector<Item>& items, int64_t size, const MakeBatch& make_batch) {
  std::vector<Batch> batches;
  const std::span<const Item> rest(items);
  for (size_t begin = 0; begin < items.size(); begin += static_cast<size_t>(size))
    batches.push_back(make_batch(rest.subspan(begin, std::min(static_cast<size_t>(size), items.size() - begin))));
  return batches;
}

}  // namespace siamaudio

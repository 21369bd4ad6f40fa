// Which clips an epoch of training puts together, step by step.
#pragma once

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "base/random.h"

namespace siamaudio {

/// Two positions in a batch's clips.
struct Pair {
  int64_t left;
  int64_t right;
  bool is_same;  ///< of one class
};

/// Three positions in a batch's clips: two of one class, one of another.
struct Triplet {
  int64_t anchor;
  int64_t positive;
  int64_t negative;
};

/// What one training step sees. A clip may stand in it more than once.
struct Batch {
  std::vector<int64_t> clips;     ///< num_sides runs of equal length, each encoded (and batch-normalised) by itself
  int64_t num_sides = 1;          ///< 1: every clip is embedded once
  std::vector<Pair> pairs;        ///< none at all: the loss may form every pair of the clips
  std::vector<Triplet> triplets;  ///< of three-sided batches
  int64_t num_support = 0;        ///< above 0, an episode: so many clips are its supports, the others its queries
};

/// Honka 2019, section 3.2, two-sided: a clip is drawn, paired with n / 2 others of its class and negative_ratio ×
/// n / 2 of other classes (n: clips of its class), and leaves the pool, so that no pair occurs twice; n - n / 2 clips
/// of each class are drawn, in random order. 40 classes × 40 clips give 16,000 pairs of either kind. The list is
/// shuffled and cut into batches.
struct HonkaPairsOptions {
  int64_t batch_size = 20;    ///< pairs
  double negative_ratio = 1;  ///< negative pairs for each positive one; fewer where the pool runs out
};

/// Fedele et al. 2022, algorithm 2, two-sided: of every class one random anchor, paired with other clips of it and with
/// one clip each of so many different other classes.
struct AnchorPairsOptions {
  int64_t num_positive = 4;       ///< pairs of an anchor with its own class
  int64_t num_negative = 4;       ///< pairs of an anchor with other classes
  int64_t steps_per_epoch = 100;  ///< batches
};

/// Lloret 2019, sections 4.3.1 and 5.2.1.1.3, two-sided: every clip is the anchor of num_positive pairs with its class
/// and of num_negative with clips of different other classes. No two clips form a positive pair twice; where a class is
/// too small for that (fewer than 2 num_positive + 1 clips), fewer of its clips are anchors. The pairs of an anchor
/// stay together, so that every batch has the same proportion.
struct RandomPairsOptions {
  int64_t batch_size = 100;  ///< pairs, at most: as many whole anchors as fit
  int64_t num_positive = 1;  ///< pairs of an anchor with its own class
  int64_t num_negative = 4;  ///< pairs of an anchor with other classes
};

/// Lloret 2019, section 4.3.2, three-sided: every clip is the anchor of triplets_per_anchor different triplets, with
/// any other clip of its class and any clip of another class. Shuffled, cut into batches.
struct RandomTripletsOptions {
  int64_t batch_size = 100;         ///< triplets
  int64_t triplets_per_anchor = 4;  ///< different ones
};

/// Embed once: an epoch cut into batches of about batch_size clips, every clip once, no list of pairs. A class enters a
/// batch with about clips_per_class of its clips (more where there are too few classes to fill a batch otherwise, at
/// most half a batch, never a single one if it has others), and two groups of one class share a batch only where they
/// must.
struct BalancedOptions {
  int64_t batch_size = 40;      ///< clips
  int64_t clips_per_class = 4;  ///< of a class in a batch
  double negative_ratio = 1;    ///< weight of a batch's negative pairs as a whole for that of its positive ones: 1
};

/// Embed once: every clip once, in random order. A last batch may be short; a single clip left over joins the one
/// before it.
struct ShuffledOptions {
  int64_t batch_size = 32;  ///< clips
};

/// Embed once: few-shot tasks (Snell et al. 2017, algorithm 1). The supports come first, class by class, then the
/// queries in the same order of classes; no clip twice in one episode.
struct EpisodesOptions {
  int64_t ways = 5;                  ///< classes, drawn anew for each episode
  int64_t shots = 1;                 ///< supports of a class
  int64_t queries = 15;              ///< queries of a class
  int64_t episodes_per_epoch = 100;  ///< one episode is one batch
};

using SamplerOptions = std::variant<HonkaPairsOptions, AnchorPairsOptions, RandomPairsOptions, RandomTripletsOptions,
                                    BalancedOptions, ShuffledOptions, EpisodesOptions>;

/// Throws ParameterError where an option is out of its range or asks for more than these classes have, TrainingError
/// where no options could sample them (a class with a single clip, fewer than two classes).
void check_sampler(const SamplerOptions& sampler, std::span<const int64_t> labels, int64_t num_classes);

/// The batches of one epoch, in order. labels: (clips,) in [0, num_classes). Throws as check_sampler().
std::vector<Batch> plan_epoch(const SamplerOptions& sampler, std::span<const int64_t> labels, int64_t num_classes,
                              Random& random);

}  // namespace siamaudio

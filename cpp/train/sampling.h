// Which clips an epoch of training puts together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace siamaudio {

struct Pair {
  int64_t left;   ///< clip
  int64_t right;  ///< clip
  bool is_same;   ///< of one class
};

/// Honka 2019, section 3.2: a clip is drawn, paired with n / 2 others of its class and negative_ratio × n / 2 of other
/// classes (n: clips of its class), and leaves the pool, so that no pair occurs twice; n - n / 2 clips of each class
/// are drawn, in random order. 40 classes × 40 clips give 16,000 pairs of either kind. Shuffled.
std::vector<Pair> honka_pairs(std::span<const int64_t> labels, int64_t num_classes, double negative_ratio,
                              Random& random);

/// Cuts an epoch into batches of about `batch_size` clips, every clip once. A class enters a batch with about
/// `clips_per_class` of its clips (more where there are too few classes to fill a batch otherwise, at most half a
/// batch, never a single one if it has others), and two groups of one class share a batch only where they must.
std::vector<std::vector<int64_t>> balanced_batches(std::span<const int64_t> labels, int64_t num_classes,
                                                   int64_t batch_size, int64_t clips_per_class, Random& random);

}  // namespace siamaudio

// Exact one-shot accuracy: the mean over every possible task, in closed form.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/poll.h"

namespace siamaudio {

/// A C-way one-shot task: a query of some class, a support clip of its class (never the query itself), and one clip of
/// each of C - 1 other classes; the most similar support wins, ties are broken uniformly.
struct OneShotResult {
  double accuracy = 0;            ///< mean over classes
  std::vector<double> per_class;  ///< (classes,): uniform over class subsets, then query and support, then other clips
  std::vector<double> confusion;  ///< (classes, classes): share of the tasks of class [row] answered by [column]
};

/// similarity: (clips, clips) row by row, [query, support], higher is more similar; its diagonal is not read.
/// labels: (clips,), every class in [0, num_classes) having at least two clips. 2 <= ways <= num_classes.
///
/// For a query q and a support clip of its class with similarity s let L_c and E_c be the shares of class c's clips
/// less similar to q than s, and exactly as similar. Against a set of classes the support wins with probability
/// ∫₀¹ Π_c (L_c + u E_c) du, which Gauss–Legendre integrates exactly. The mean over all subsets of k of the first m
/// classes obeys a_k ← (1 - k/m) a_k + (k/m) F_m a_(k-1): convex combinations only, nothing overflows or cancels.
/// O(clips² (log clips + classes × ways)). Throws ParameterError.
OneShotResult exact_oneshot(std::span<const double> similarity, std::span<const int64_t> labels, int64_t num_classes,
                            int64_t ways, int num_threads, const Poll& poll);

}  // namespace siamaudio

// Exact one-shot accuracy: the mean over every possible task, in closed form.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/poll.h"
#include "score/quadrature.h"
#include "score/subset_means.h"

namespace siamaudio {

/// Clips that are queries and supports of each other.
struct OneShotClips {
  std::vector<int64_t> labels;   ///< (clips,) in [0, num_classes)
  std::vector<int64_t> sources;  ///< (clips,), a query meets no support of its own source; empty: of any but itself
  int64_t num_classes = 0;
};

struct OneShotOptions {
  int64_t ways = 5;        ///< classes a task, for the confusion and the supports' influence
  int64_t most_ways = 5;   ///< wins for tasks of 2, 3, … so many classes; `ways` or more
  bool confusion = false;  ///< also which class is answered instead
};

/// Of a block of queries. All shares are of the query's tasks: uniform over class subsets, then over the supports of
/// its class, then over the clips of the other classes.
struct OneShotScores {
  std::vector<double> wins;       ///< (queries, most_ways - 1): share won where there are 2, 3, … classes
  std::vector<double> confusion;  ///< (queries, classes): share answered by each class, if asked for

  /// (clips,): by how much each clip, as the support of its class, raises the shares won of the block's queries: the
  /// derivative of their sum by the clip's weight among the supports.
  std::vector<double> support_influence;
};

/// A C-way one-shot task: a query of some class, a support of its class, and one clip of each of C - 1 other classes;
/// the most similar support wins, ties are broken uniformly.
///
/// For a query q and a support of its class with similarity s let L_c and E_c be the shares of class c's clips less
/// similar to q than s, and exactly as similar. Against a set of classes the support wins with probability
/// ∫₀¹ Π_c (L_c + u E_c) du, which Gauss–Legendre integrates exactly; the means over all sets of classes are those of
/// subset_means.h. Computed on the CPU wherever the similarities come from: sorting and counting a row take about as
/// long as bringing it there, and the rest is branches.
class ExactOneShot {
 public:
  /// Throws ParameterError: ways that there are no classes for, a class with fewer than two clips, or sources.
  ExactOneShot(OneShotClips clips, const OneShotOptions& options);

  /// similarity: (queries, clips) row by row, higher is more similar, of the queries first_query, first_query + 1, …;
  /// of a query and itself it is not read. The result does not depend on the threads. Throws ParameterError for NaN.
  template <typename Value>
  OneShotScores score(std::span<const Value> similarity, int64_t first_query, int num_threads, const Poll& poll) const;

  int64_t num_clips() const { return static_cast<int64_t>(clips_.labels.size()); }
  const OneShotClips& clips() const { return clips_; }
  const OneShotOptions& options() const { return options_; }

 private:
  template <typename Value>
  class Scorer;

  OneShotClips clips_;
  OneShotOptions options_;
  std::vector<std::vector<int64_t>> members_;  // the clips of each class
  Quadrature quadrature_;
  std::optional<SubsetMeanTree::Plan> plan_;  // for the confusion, where a task has three classes or more
};

/// The mean over classes of the mean over their queries of what is won among `ways` classes.
double exact_oneshot_accuracy(std::span<const float> similarity, const std::vector<int64_t>& labels,
                              int64_t num_classes, int64_t ways, int num_threads, const Poll& poll);

}  // namespace siamaudio

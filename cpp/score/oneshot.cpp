#include "score/oneshot.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>

#include "base/errors.h"
#include "base/parallel.h"

namespace siamaudio {
namespace {

/// Nodes and weights on [0, 1] that integrate polynomials up to degree 2 size - 1 exactly.
struct Quadrature {
  std::vector<double> nodes;
  std::vector<double> weights;
};

/// Gauss–Legendre by Newton's method on the Legendre recursion (Press et al., Numerical Recipes, section 4.6).
Quadrature gauss_legendre(int64_t size) {
  Quadrature quadrature{std::vector<double>(static_cast<size_t>(size)), std::vector<double>(static_cast<size_t>(size))};
  for (int64_t i = 0; i < size; ++i) {
    double x = std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (static_cast<double>(size) + 0.5));
    double slope = 0;
    for (int iteration = 0; iteration < 100; ++iteration) {
      double value = 1;
      double previous = 0;
      for (int64_t k = 0; k < size; ++k) {
        const double next = (static_cast<double>(2 * k + 1) * x * value - static_cast<double>(k) * previous) /
                            static_cast<double>(k + 1);
        previous = value;
        value = next;
      }
      slope = static_cast<double>(size) * (x * value - previous) / (x * x - 1);
      const double step = value / slope;
      x -= step;
      if (std::abs(step) < 1e-15) break;
    }
    quadrature.nodes[static_cast<size_t>(i)] = (1 - x) / 2;
    quadrature.weights[static_cast<size_t>(i)] = 1 / ((1 - x * x) * slope * slope);
  }
  return quadrature;
}

/// Mean over all subsets of `size` of the given factors of the product over the subset; `means` is scratch.
double mean_subset_product(std::span<const double> factors, int64_t size, std::vector<double>& means) {
  if (size == static_cast<int64_t>(factors.size()))
    return std::accumulate(factors.begin(), factors.end(), 1.0, std::multiplies<>());
  means.assign(static_cast<size_t>(size) + 1, 0.0);
  means[0] = 1;
  for (size_t m = 1; m <= factors.size(); ++m) {
    for (size_t k = std::min<size_t>(m, static_cast<size_t>(size)); k >= 1; --k) {
      const double share = static_cast<double>(k) / static_cast<double>(m);
      means[k] = (1 - share) * means[k] + share * factors[m - 1] * means[k - 1];
    }
  }
  return means[static_cast<size_t>(size)];
}

/// What one query's answers add to its class's row of the confusion matrix.
class QueryScorer {
 public:
  QueryScorer(std::span<const int64_t> labels, std::span<const int64_t> class_sizes, int64_t ways,
              const std::vector<Quadrature>& quadratures)
      : labels_(labels),
        class_sizes_(class_sizes),
        ways_(ways),
        quadratures_(quadratures),
        less_(class_sizes.size()),
        equal_(class_sizes.size()) {}

  /// similarities: of the query to every clip. row[o] += P(class o is answered), over the tasks of this query.
  void score(int64_t query, const double* similarities, double* row) {
    order_.clear();
    for (int64_t clip = 0; clip < static_cast<int64_t>(labels_.size()); ++clip)
      if (clip != query) order_.push_back(clip);
    std::ranges::sort(order_, {}, [&](int64_t clip) { return similarities[clip]; });

    std::ranges::fill(less_, 0);
    for (size_t begin = 0, end = 0; begin < order_.size(); begin = end) {
      std::ranges::fill(equal_, 0);
      for (end = begin; end < order_.size() && similarities[order_[end]] == similarities[order_[begin]]; ++end)
        ++equal_[label(order_[end])];
      add_group(labels_[static_cast<size_t>(query)], row);
      for (size_t c = 0; c < less_.size(); ++c) less_[c] += equal_[c];
    }
  }

 private:
  size_t label(int64_t clip) const { return static_cast<size_t>(labels_[static_cast<size_t>(clip)]); }

  /// The clips that are exactly as similar to the query as each other, equal_[c] of them in class c.
  void add_group(int64_t query_class, double* row) {
    const auto num_classes = static_cast<int64_t>(less_.size());
    for (int64_t winner = 0; winner < num_classes; ++winner) {
      const int64_t num_winners = equal_[static_cast<size_t>(winner)];
      if (num_winners == 0) continue;
      const bool is_own = winner == query_class;
      // Another class takes part in (ways - 1) of (classes - 1) tasks, the query's own in all.
      const double share = is_own ? 1.0 : static_cast<double>(ways_ - 1) / static_cast<double>(num_classes - 1);
      const double clip_share =
          static_cast<double>(num_winners) / static_cast<double>(num_supports(winner, query_class));
      row[winner] += share * clip_share * win_probability(winner, query_class, is_own ? ways_ - 1 : ways_ - 2);
    }
  }

  int64_t num_supports(int64_t c, int64_t query_class) const {
    return class_sizes_[static_cast<size_t>(c)] - (c == query_class ? 1 : 0);
  }

  /// ∫₀¹ F_own(u) × mean over subsets of `num_others` other classes of Π F_c(u) du, F_own left out if it is the winner.
  double win_probability(int64_t winner, int64_t query_class, int64_t num_others) {
    size_t degree = 0;  // of the polynomial in u
    for (size_t c = 0; c < less_.size(); ++c) degree += static_cast<int64_t>(c) != winner && equal_[c] > 0 ? 1U : 0U;
    degree = std::min(degree, static_cast<size_t>(ways_ - 1));
    const Quadrature& quadrature = quadratures_[degree / 2];

    double probability = 0;
    for (size_t node = 0; node < quadrature.nodes.size(); ++node) {
      const double u = quadrature.nodes[node];
      factors_.clear();
      double own = 1;
      for (int64_t c = 0; c < static_cast<int64_t>(less_.size()); ++c) {
        if (c == winner) continue;
        const double factor = (static_cast<double>(less_[static_cast<size_t>(c)]) +
                               u * static_cast<double>(equal_[static_cast<size_t>(c)])) /
                              static_cast<double>(num_supports(c, query_class));
        if (c == query_class)
          own = factor;
        else
          factors_.push_back(factor);
      }
      if (own != 0) probability += quadrature.weights[node] * own * mean_subset_product(factors_, num_others, means_);
    }
    return probability;
  }

  std::span<const int64_t> labels_;
  std::span<const int64_t> class_sizes_;
  int64_t ways_;
  const std::vector<Quadrature>& quadratures_;
  std::vector<int64_t> order_;  // clips, least similar first
  std::vector<int64_t> less_;   // clips of each class less similar than the group
  std::vector<int64_t> equal_;  // clips of each class in the group
  std::vector<double> factors_;
  std::vector<double> means_;
};

}  // namespace

OneShotResult exact_oneshot(std::span<const double> similarity, std::span<const int64_t> labels, int64_t num_classes,
                            int64_t ways, int num_threads, const Poll& poll) {
  const auto num_clips = static_cast<int64_t>(labels.size());
  if (ways < 2 || ways > num_classes)
    throw ParameterError("ways", std::to_string(ways),
                         "2 to " + std::to_string(num_classes) + ", the number of classes");
  std::vector<int64_t> class_sizes(static_cast<size_t>(num_classes));
  for (const int64_t label : labels) ++class_sizes[static_cast<size_t>(label)];
  if (std::ranges::min(class_sizes) < 2)
    throw ParameterError("labels", "a class with fewer than 2 clips", "2 or more clips a class");
  for (size_t i = 0; i < similarity.size(); ++i)
    if (std::isnan(similarity[i]) && i % (labels.size() + 1) != 0)
      throw ParameterError(
          "similarity",
          "NaN for clips " + std::to_string(i / labels.size()) + " and " + std::to_string(i % labels.size()),
          "numbers");

  // quadratures[d / 2] is exact for polynomials of degree d.
  std::vector<Quadrature> quadratures;
  for (int64_t size = 1; size <= ways / 2 + 1; ++size) quadratures.push_back(gauss_legendre(size));

  // One row a query, summed serially afterwards: the result does not depend on the threads.
  num_threads = resolve_num_threads(num_threads);
  std::vector<QueryScorer> scorers(static_cast<size_t>(num_threads),
                                   QueryScorer(labels, class_sizes, ways, quadratures));
  std::vector<double> rows(static_cast<size_t>(num_clips * num_classes));
  parallel_for(
      num_clips, num_threads,
      [&](int64_t query, int worker) {
        scorers[static_cast<size_t>(worker)].score(query, similarity.data() + query * num_clips,
                                                   rows.data() + query * num_classes);
      },
      poll);

  OneShotResult result;
  result.confusion.resize(static_cast<size_t>(num_classes * num_classes));
  for (int64_t query = 0; query < num_clips; ++query) {
    const int64_t label = labels[static_cast<size_t>(query)];
    for (int64_t c = 0; c < num_classes; ++c)
      result.confusion[static_cast<size_t>(label * num_classes + c)] +=
          rows[static_cast<size_t>(query * num_classes + c)] /
          static_cast<double>(class_sizes[static_cast<size_t>(label)]);
  }
  for (int64_t c = 0; c < num_classes; ++c) {
    result.per_class.push_back(result.confusion[static_cast<size_t>(c * num_classes + c)]);
    result.accuracy += result.per_class.back() / static_cast<double>(num_classes);
  }
  return result;
}

}  // namespace siamaudio

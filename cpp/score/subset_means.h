// Means over all subsets of k of n factors of the product over the subset: what a task of k other classes is won with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace siamaudio {

/// So many sets of factors at once, one beside the other.
constexpr int kSubsetLanes = 8;

/// factors: (size, kSubsetLanes). means: (most + 1, kSubsetLanes), means[k] of subsets of k; 0 for k > size.
///
/// a_k, the mean over subsets of k of the first m factors, obeys a_k ← (1 - k/m) a_k + (k/m) F_m a_(k-1): convex
/// combinations only, so that nothing overflows or cancels, and every k is there in the end. O(size × most).
void mean_subset_products(const double* factors, int64_t size, int64_t most, double* means);

/// The mean over subsets of a fixed size of all factors but one, where from call to call one factor changes.
///
/// A tree over the factors whose nodes hold the means of subsets of theirs; the means of two nodes make that of their
/// union, weighted by how many subsets there are (the hypergeometric distribution), again by convex combinations only.
/// O(size² log n) for a change, and for a question, instead of O(size × n).
class SubsetMeanTree {
 public:
  /// The shape and the weights, which trees of all threads share. 1 <= subset_size <= num_factors - 1.
  class Plan {
   public:
    Plan(int64_t num_factors, int64_t subset_size);

   private:
    friend class SubsetMeanTree;

    /// Which means of a set of factors are needed, those of subsets of low … high, and where they stand.
    struct Range {
      int64_t low = 0;
      int64_t high = 0;
      int64_t size() const { return high - low + 1; }
    };

    /// How the means of two sets, a and b, make those of their union: for each k in `out` its first j in a, how many
    /// j follow each other, and their weights. b's index is k - j.
    struct Union {
      Range a, b, out;
      struct Term {
        int32_t first_a = 0;  // in a's means, counted from its low
        int32_t first_b = 0;  // in b's, which is gone through backwards
        int32_t count = 0;
        int32_t weights = 0;  // where they begin in Plan::weights_
      };
      std::vector<Term> terms;
    };

    struct Node {
      int32_t parent = -1;
      int32_t sibling = -1;
      int64_t num_factors = 0;
      Range range;
      size_t values = 0;  // where its means begin
      Union whole;        // of its two children
      int32_t left = -1;
      int32_t right = -1;
      Union beside;  // of its sibling's factors but one, and its own
    };

    int32_t add_node(int64_t first, int64_t last, int32_t parent);
    Range needed(int64_t size) const;
    Union make_union(int64_t size_a, int64_t size_b);

    int64_t num_factors_;
    int64_t subset_size_;
    std::vector<Node> nodes_;
    std::vector<int32_t> leaves_;
    std::vector<double> weights_;
    size_t num_values_ = 0;
  };

  explicit SubsetMeanTree(const Plan& plan);

  /// The factors, all at once.
  void set_all(const double* factors);

  /// One of them.
  void set(int64_t index, double factor);

  /// The mean over the subsets of all factors but this one.
  double mean_without(int64_t index);

 private:
  void set_leaf(int64_t index, double factor);
  void refresh(int32_t node);
  void combine(const Plan::Union& how, const double* a, const double* b, double* out) const;

  const Plan* plan_;
  std::vector<double> values_;
  std::vector<double> path_, next_;
};

}  // namespace siamaudio

#include "score/subset_means.h"

#include <algorithm>
#include <cmath>

namespace siamaudio {

void mean_subset_products(const double* factors, int64_t size, int64_t most, double* means) {
  std::fill_n(means, (most + 1) * kSubsetLanes, 0.0);
  std::fill_n(means, kSubsetLanes, 1.0);
  for (int64_t m = 1; m <= size; ++m) {
    const double* factor = factors + (m - 1) * kSubsetLanes;
    for (int64_t k = std::min(m, most); k >= 1; --k) {
      const double share = static_cast<double>(k) / static_cast<double>(m);
      double* mean = means + k * kSubsetLanes;
      for (int lane = 0; lane < kSubsetLanes; ++lane)
        mean[lane] = (1 - share) * mean[lane] + share * factor[lane] * mean[lane - kSubsetLanes];
    }
  }
}

SubsetMeanTree::Plan::Plan(int64_t num_factors, int64_t subset_size)
    : num_factors_(num_factors), subset_size_(subset_size), leaves_(static_cast<size_t>(num_factors)) {
  add_node(0, num_factors, -1);
  for (Node& node : nodes_) {
    if (node.left >= 0) {
      node.whole = make_union(nodes_[static_cast<size_t>(node.left)].num_factors,
                              nodes_[static_cast<size_t>(node.right)].num_factors);
    }
    if (node.parent >= 0)
      node.beside = make_union(nodes_[static_cast<size_t>(node.sibling)].num_factors - 1, node.num_factors);
  }
}

int32_t SubsetMeanTree::Plan::add_node(int64_t first, int64_t last, int32_t parent) {
  const auto index = static_cast<int32_t>(nodes_.size());
  Node node;
  node.parent = parent;
  node.num_factors = last - first;
  node.range = needed(node.num_factors);
  node.values = num_values_;
  num_values_ += static_cast<size_t>(node.range.size());
  nodes_.push_back(node);
  if (last - first == 1) {
    leaves_[static_cast<size_t>(first)] = index;
    return index;
  }
  const int64_t middle = first + (last - first) / 2;
  const int32_t left = add_node(first, middle, index);
  const int32_t right = add_node(middle, last, index);
  nodes_[static_cast<size_t>(index)].left = left;
  nodes_[static_cast<size_t>(index)].right = right;
  nodes_[static_cast<size_t>(left)].sibling = right;
  nodes_[static_cast<size_t>(right)].sibling = left;
  return index;
}

/// Of `size` factors: those that subsets of subset_size of all but one can take from them and from the rest.
SubsetMeanTree::Plan::Range SubsetMeanTree::Plan::needed(int64_t size) const {
  const int64_t rest = num_factors_ - 1 - size;
  return {std::clamp<int64_t>(subset_size_ - rest, 0, size), std::min(size, subset_size_)};
}

SubsetMeanTree::Plan::Union SubsetMeanTree::Plan::make_union(int64_t size_a, int64_t size_b) {
  Union all{needed(size_a), needed(size_b), needed(size_a + size_b), {}};
  for (int64_t k = all.out.low; k <= all.out.high; ++k) {
    // All ways to take j of a and k - j of b, from the commonest on, by the ratio of neighbours.
    const int64_t first = std::max<int64_t>(0, k - size_b);
    const int64_t last = std::min(size_a, k);
    std::vector<double> shares(static_cast<size_t>(last - first + 1));
    const auto mode = std::clamp((k + 1) * (size_a + 1) / (size_a + size_b + 2), first, last);
    const auto ratio = [&](int64_t j) {  // of the subsets with j + 1 of a to those with j
      return static_cast<double>((size_a - j) * (k - j)) / static_cast<double>((j + 1) * (size_b - k + j + 1));
    };
    shares[static_cast<size_t>(mode - first)] = 1;
    for (int64_t j = mode; j < last; ++j)
      shares[static_cast<size_t>(j + 1 - first)] = shares[static_cast<size_t>(j - first)] * ratio(j);
    for (int64_t j = mode; j > first; --j)
      shares[static_cast<size_t>(j - 1 - first)] = shares[static_cast<size_t>(j - first)] / ratio(j - 1);
    double sum = 0;
    for (const double share : shares) sum += share;
    all.terms.push_back({static_cast<int32_t>(first - all.a.low), static_cast<int32_t>(k - first - all.b.low),
                         static_cast<int32_t>(shares.size()), static_cast<int32_t>(weights_.size())});
    for (const double share : shares) weights_.push_back(share / sum);
  }
  return all;
}

SubsetMeanTree::SubsetMeanTree(const Plan& plan)
    : plan_(&plan),
      values_(plan.num_values_),
      path_(static_cast<size_t>(plan.subset_size_) + 1),
      next_(static_cast<size_t>(plan.subset_size_) + 1) {}

void SubsetMeanTree::set_all(const double* factors) {
  for (int64_t i = 0; i < plan_->num_factors_; ++i) set_leaf(i, factors[i]);
  for (auto node = static_cast<int32_t>(plan_->nodes_.size()) - 1; node > 0; --node) refresh(node);
}

void SubsetMeanTree::set(int64_t index, double factor) {
  set_leaf(index, factor);
  // The root, of which nobody asks, stays out.
  for (int32_t node = plan_->nodes_[static_cast<size_t>(plan_->leaves_[static_cast<size_t>(index)])].parent; node > 0;
       node = plan_->nodes_[static_cast<size_t>(node)].parent)
    refresh(node);
}

double SubsetMeanTree::mean_without(int64_t index) {
  path_[0] = 1;  // of no factors
  for (int32_t at = plan_->leaves_[static_cast<size_t>(index)]; at > 0;) {
    const Plan::Node& node = plan_->nodes_[static_cast<size_t>(at)];
    const Plan::Node& sibling = plan_->nodes_[static_cast<size_t>(node.sibling)];
    combine(sibling.beside, path_.data(), values_.data() + sibling.values, next_.data());
    std::swap(path_, next_);
    at = node.parent;
  }
  return path_[0];
}

void SubsetMeanTree::set_leaf(int64_t index, double factor) {
  const Plan::Node& leaf = plan_->nodes_[static_cast<size_t>(plan_->leaves_[static_cast<size_t>(index)])];
  for (int64_t j = leaf.range.low; j <= leaf.range.high; ++j)
    values_[leaf.values + static_cast<size_t>(j - leaf.range.low)] = j == 0 ? 1 : factor;
}

void SubsetMeanTree::refresh(int32_t index) {
  const Plan::Node& node = plan_->nodes_[static_cast<size_t>(index)];
  if (node.left < 0) return;
  combine(node.whole, values_.data() + plan_->nodes_[static_cast<size_t>(node.left)].values,
          values_.data() + plan_->nodes_[static_cast<size_t>(node.right)].values, values_.data() + node.values);
}

void SubsetMeanTree::combine(const Plan::Union& how, const double* a, const double* b, double* out) const {
  for (const Plan::Union::Term& term : how.terms) {
    const double* weight = plan_->weights_.data() + term.weights;
    const double* left = a + term.first_a;
    const double* right = b + term.first_b;
    double sum = 0;
    for (int32_t j = 0; j < term.count; ++j) sum += weight[j] * left[j] * right[-j];
    *out++ = sum;
  }
}

}  // namespace siamaudio

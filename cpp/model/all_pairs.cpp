#include "model/all_pairs.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mv.h>

#include "model/l2_normalize.h"

namespace siamaudio {
namespace {

/// Σ |w| |a - b| over the chosen elements.
at::Tensor weighted_manhattan(const at::Tensor& a, const at::Tensor& b, const at::Tensor& weight,
                              const at::Tensor& chosen) {
  const at::Tensor scale = weight.index_select(0, chosen).abs().to(at::kFloat);
  return at::cdist(a.index_select(1, chosen) * scale, b.index_select(1, chosen) * scale, 1.0);
}

}  // namespace

AllPairLogits::AllPairLogits(const at::Tensor& b, Distance distance, const at::Tensor& weight, const at::Tensor& bias)
    : distance_(distance),
      weight_(weight.reshape({-1}).to(at::kDouble)),
      bias_(bias.reshape({}).to(at::kDouble)),
      right_(distance == Distance::kAbsolute ? b.to(at::kFloat) : b.to(at::kDouble)) {
  if (distance == Distance::kSquared) right_squares_ = right_.square().mv(weight_);
  if (distance == Distance::kCosine) right_ = l2_normalize(right_);
  if (distance == Distance::kAbsolute) {
    positive_ = (weight_ > 0).nonzero().reshape({-1});
    negative_ = (weight_ < 0).nonzero().reshape({-1});
  }
}

at::Tensor AllPairLogits::logits(const at::Tensor& a) const {
  constexpr double kEpsilon = 1e-7;      // as embedding_distance has it
  constexpr int64_t kByDifferences = 2;  // |a|² + |b|² - 2ab would not give equal vectors the distance 0
  switch (distance_) {
    case Distance::kSquared: {
      // Σ w (a - b)² = Σ w a² + Σ w b² - 2 Σ w a b
      const at::Tensor left = a.to(at::kDouble);
      const at::Tensor weighted = left * weight_;
      const at::Tensor squares = (left * weighted).sum(1) + bias_;
      return at::addmm(squares.unsqueeze(1) + right_squares_, weighted, right_.t(), 1, -2);
    }
    case Distance::kProduct:
      return (a.to(at::kDouble) * weight_).matmul(right_.t()).add_(bias_);
    case Distance::kAbsolute: {
      const at::Tensor left = a.to(at::kFloat);
      return weighted_manhattan(left, right_, weight_, positive_)
          .sub_(weighted_manhattan(left, right_, weight_, negative_))
          .add_(bias_.to(at::kFloat));
    }
    case Distance::kEuclidean:
      return at::cdist(a.to(at::kDouble), right_, 2.0, kByDifferences).square_().clamp_min_(kEpsilon).sqrt_() *
                 weight_ +
             bias_;
    case Distance::kCosine:
      return (1 - l2_normalize(a.to(at::kDouble)).matmul(right_.t())) * weight_ + bias_;
  }
  return {};  // not reached
}

}  // namespace siamaudio

// What a dense head says of every pair of two sets of embeddings.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/distance.h"

namespace siamaudio {

/// A head's weighted sum over the distance of two embeddings, for all pairs, with nothing of size (n, m, dim) made: a
/// weighted sum of squares is three matrix products, one of absolute values a Manhattan distance, or the difference of
/// two where weights are of both signs.
class AllPairLogits {
 public:
  /// b: (m, dim). weight: (1, dim), or (1, 1) where is_scalar(distance); bias: (1,). All on one device.
  AllPairLogits(const at::Tensor& b, Distance distance, const at::Tensor& weight, const at::Tensor& bias);

  /// a: (n, dim) -> (n, m). Sums of squares and products are added in double, so that equal pairs get equal numbers
  /// wherever they stand.
  at::Tensor logits(const at::Tensor& a) const;

 private:
  Distance distance_;
  at::Tensor weight_;         // (dim,), double
  at::Tensor bias_;           // double
  at::Tensor right_;          // (m, dim), double; float32 for kAbsolute
  at::Tensor right_squares_;  // (m,), for kSquared
  at::Tensor positive_;       // for kAbsolute: the elements whose weight is above 0, and those whose is below
  at::Tensor negative_;
};

}  // namespace siamaudio

// Vectors of length 1.
#pragma once

#include <ATen/TensorOperators.h>

namespace siamaudio {

/// x / |x| over the last axis; a zero vector stays zero, with finite gradients.
inline at::Tensor l2_normalize(const at::Tensor& x) {
  constexpr double kTiny = 1e-12;  // of |x|², TensorFlow's
  return x * x.square().sum(-1, /*keepdim=*/true).clamp_min(kTiny).rsqrt();
}

}  // namespace siamaudio

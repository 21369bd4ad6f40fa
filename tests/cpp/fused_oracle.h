// What the tests of fused layers compare with: the separate layers in float64, through LibTorch's autograd.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>

#include <optional>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "model/batch_norm.h"
#include "tensors.h"

namespace siamaudio {

/// Length of the difference by length of the oracle.
inline double relative_error(const at::Tensor& actual, const at::Tensor& oracle) {
  const at::Tensor difference = actual.detach().to(at::kDouble) - oracle.detach();
  return (at::linalg_vector_norm(difference) / at::linalg_vector_norm(oracle.detach())).item<double>();
}

/// A float64 copy that autograd follows.
inline at::Tensor oracle_of(const at::Tensor& tensor) {
  return tensor.detach().to(at::kDouble).clone().requires_grad_(true);
}

/// Batch norm by the batch's statistics, as BatchNorm's epsilon has it.
inline at::Tensor oracle_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::batch_norm(x, weight, bias, {}, {}, /*training=*/true, 0, BatchNorm::kEpsilon, /*cudnn_enabled=*/false);
}

inline at::Tensor oracle_pool(const at::Tensor& x, int64_t size) {
  return at::relu(size == 1 ? x : at::max_pool2d(x, {size, size}));
}

/// The factor of each element that dropout has chosen: 0 where `dropped` is zero and `kept` is not.
inline at::Tensor drawn_factors(const at::Tensor& dropped, const at::Tensor& kept, double rate) {
  return at::logical_or(dropped != 0, kept == 0).to(at::kDouble) / (1 - rate);
}

}  // namespace siamaudio

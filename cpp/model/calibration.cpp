#include "model/calibration.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/errors.h"
#include "model/l2_normalize.h"

namespace siamaudio {

namespace {

/// p / |p| of the header.
at::Tensor directions_of(const at::Tensor& embeddings, const at::Tensor& power) {
  // The root's gradient at 0, where it would be infinite, is 0.
  return l2_normalize(embeddings.sign() * embeddings.abs().clamp_min(std::numeric_limits<float>::min()).pow(power));
}

}  // namespace

at::Tensor calibrate(const at::Tensor& embeddings, const Calibration& calibration) {
  return (directions_of(embeddings, calibration.power) - calibration.mean).matmul(calibration.matrix);
}

Calibration fit_calibration(const at::Tensor& embeddings, std::span<const int64_t> labels,
                            const CalibrationOptions& options) {
  const at::NoGradGuard no_grad;
  const double shrinkage = options.shrinkage;
  for (const auto& [name, share] : {std::pair{"power", options.power}, {"shrinkage", shrinkage}})
    if (!(share > 0 && share <= 1)) throw ParameterError(name, std::to_string(share), "a number above 0, up to 1");
  const auto num_clips = static_cast<int64_t>(labels.size());
  if (embeddings.dim() != 2 || embeddings.size(0) != num_clips || num_clips == 0)
    throw ParameterError("labels", std::to_string(num_clips) + " of them",
                         "one for each of one or more embeddings (clips, dim)");
  if (std::ranges::min(labels) < 0) throw ParameterError("labels", "a negative one", "0 or more");
  if (!at::isfinite(embeddings).all().item<bool>())
    throw ParameterError("embeddings", "NaN or infinite values", "finite numbers");

  const at::Tensor power = at::scalar_tensor(options.power, at::kDouble);
  const at::Tensor directions = directions_of(embeddings.to(at::kCPU, at::kDouble), power);
  const int64_t dim = directions.size(1);
  const at::Tensor index = at::tensor(at::IntArrayRef(labels.data(), labels.size()), at::kLong);
  const int64_t num_classes = std::ranges::max(labels) + 1;
  const at::Tensor sums = at::zeros({num_classes, dim}, at::kDouble).index_add_(0, index, directions);
  const at::Tensor counts = index.bincount({}, num_classes).clamp_min(1).unsqueeze(1);
  const at::Tensor residuals = directions - (sums / counts).index_select(0, index);
  const at::Tensor covariance = residuals.t().matmul(residuals) / num_clips;
  const at::Tensor variance = covariance.trace() / dim;
  constexpr double kRounding = 1e-14;  // of float32 embeddings that are equal but for their length
  if (variance.item<double>() * static_cast<double>(dim) <= kRounding)
    throw ParameterError("embeddings", "equal ones within every class",
                         "different ones in at least one class of two or more clips");

  const at::Tensor shrunk = (1 - shrinkage) * covariance + shrinkage * variance * at::eye(dim, at::kDouble);
  const auto [eigenvalues, eigenvectors] = at::linalg_eigh(shrunk);
  const at::Tensor matrix = (eigenvectors * eigenvalues.rsqrt()).matmul(eigenvectors.t());
  return {.power = power.to(at::kFloat),
          .mean = directions.mean(0).to(at::kFloat),
          .matrix = matrix.to(at::kFloat),
          .shifts = at::zeros({1, 2}, at::kFloat)};
}

}  // namespace siamaudio

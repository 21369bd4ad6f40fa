// A linear layer after the encoder, fitted in closed form, that makes cosines compare classes better.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace siamaudio {

/// z -> (z / |z| - mean) matrix
struct Calibration {
  at::Tensor mean;    ///< (dim,) float32
  at::Tensor matrix;  ///< (dim, dim) float32
};

/// embeddings: (clips, dim) on any device -> (clips, dim).
at::Tensor calibrate(const at::Tensor& embeddings, const Calibration& calibration);

/// Centring and within-class whitening: the mean of the embeddings brought to length 1, and S'^(-1/2) with
/// S' = (1 - shrinkage) S + shrinkage (tr S / dim) I, where S is their covariance within classes. Computed in double.
/// embeddings: (clips, dim), as the encoder makes them without dropout; labels: (clips,); shrinkage in (0, 1].
/// Throws ParameterError, also for embeddings that do not vary within any class.
Calibration fit_calibration(const at::Tensor& embeddings, std::span<const int64_t> labels, double shrinkage = 0.7);

}  // namespace siamaudio

// A linear layer after the encoder, fitted in closed form, that makes cosines compare classes better.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace siamaudio {

/// How the layer is fitted.
struct CalibrationOptions {
  double power = 0.5;      ///< of the embeddings' values, in (0, 1]; 1 leaves them as they are
  double shrinkage = 0.8;  ///< share of a covariance that is the same in all directions, in (0, 1]
};

/// z -> (p / |p| - mean) matrix with p = sign(z) |z|^power, where z is the mean of the encoder's embeddings of a
/// spectrogram moved by each of the shifts.
///
/// The power makes a few large values count for less (power normalisation: Perronnin, Sánchez, Mensink 2010, "Improving
/// the Fisher kernel for large-scale image classification").
struct Calibration {
  at::Tensor power;   ///< () float32
  at::Tensor mean;    ///< (dim,) float32
  at::Tensor matrix;  ///< (dim, dim) float32
  at::Tensor shifts;  ///< (one or more, 2) float32, whole numbers: bands and frames; (0, 0) is the spectrogram itself
};

/// embeddings: (clips, dim) on any device, the means over the shifts -> (clips, dim).
at::Tensor calibrate(const at::Tensor& embeddings, const Calibration& calibration);

/// Centring and within-class whitening: the mean of p / |p|, and S'^(-1/2) with
/// S' = (1 - shrinkage) S + shrinkage (tr S / dim) I, where S is its covariance within classes. Computed in double.
/// embeddings: (clips, dim), as the encoder makes them without dropout, from the spectrograms themselves, as the
/// result's shifts say; labels: (clips,).
/// Throws ParameterError, also for embeddings that do not vary within any class.
Calibration fit_calibration(const at::Tensor& embeddings, std::span<const int64_t> labels,
                            const CalibrationOptions& options = {});

}  // namespace siamaudio

// The augmentations with what they draw as arguments: functions of tensors, for augment().
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace siamaudio {

// x is (clips, channels, bands, frames) float32; parameters are (clips, …) on any device and are moved to that of x.

/// out[t] = x[(t - shift) mod width]; shifts (clips,) int64 of either sign.
at::Tensor time_shift(const at::Tensor& x, const at::Tensor& shifts);

/// Where a resampled picture is read: at scale × position + offset, all (clips,) float64.
struct Warp {
  at::Tensor time_scale;
  at::Tensor time_offset;  ///< frames
  at::Tensor band_scale;
  at::Tensor band_offset;  ///< bands
};

/// Bilinear between frames and bands; mirrored beyond the middle of the first and last ones.
at::Tensor warp(const at::Tensor& x, const Warp& source);

/// `frames` frames from `start` on; before the first and after the last frame stands the clip's minimum. starts
/// (clips,) int64 of either sign.
at::Tensor crop(const at::Tensor& x, const at::Tensor& starts, int64_t frames);

/// x × gain + offset; both (clips,).
at::Tensor gain(const at::Tensor& x, const at::Tensor& gains, const at::Tensor& offsets);

/// Adds offsets (clips, points) at evenly spaced bands, the first and last ones included, linear between them.
at::Tensor frequency_response(const at::Tensor& x, const at::Tensor& offsets);

/// Spans of one axis, (clips, masks) int64 each.
struct Spans {
  at::Tensor starts;
  at::Tensor lengths;
};

/// Puts values (clips,) on the spans of frames and on those of bands.
at::Tensor mask(const at::Tensor& x, const Spans& frames, const Spans& bands, const at::Tensor& values);

/// weight × x + (1 - weight) × x[permutation]; permutation (clips,) int64.
at::Tensor mixup(const at::Tensor& x, const at::Tensor& permutation, double weight);

/// Gives each band mean and deviation over time of weight × its own + (1 - weight) × those of clip `permutation`;
/// weights (clips,).
at::Tensor mix_style(const at::Tensor& x, const at::Tensor& permutation, const at::Tensor& weights);

}  // namespace siamaudio

// Random changes of spectrograms that leave their class as it is, for training only.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

namespace siamaudio {

// Strengths suit spectrograms that are standardised (mean 0, deviation 1); `probability` is that of a clip being
// changed at all, for each clip by itself unless said otherwise.

/// Circular, by a number of frames uniform in [0, width).
struct TimeShiftOptions {
  double probability = 1;
};

/// Resampled about the middle frame, by a factor log-uniform in [1 / max_factor, max_factor]; above 1: longer.
struct TimeStretchOptions {
  double max_factor = 1.2;  ///< 1 or more
  double probability = 1;
};

/// Resampled about the middle band, by a factor log-uniform in [1 / max_factor, max_factor]; above 1: spread out.
struct FrequencyScaleOptions {
  double max_factor = 1.1;  ///< 1 or more
  double probability = 1;
};

/// By a (broken) number of bands uniform in [-max_bands, max_bands]; above 0: upwards.
struct FrequencyShiftOptions {
  double max_bands = 3;
  double probability = 1;
};

/// A part of `frames` frames from a uniformly drawn place; shorter clips are put at a uniformly drawn place among
/// frames of their own minimum. All clips of a batch have one width, so there is no probability.
struct RandomCropOptions {
  int64_t frames = 128;
};

/// x × gain + offset, both uniform.
struct GainOptions {
  double max_gain = 0.15;    ///< gain in 1 ± max_gain
  double max_offset = 0.15;  ///< offset in ± max_offset
  double probability = 1;
};

/// Gaussian, independent for each value.
struct NoiseOptions {
  double std = 0.1;
  double probability = 1;
};

/// Park et al. 2019, section 2, without time warping: rectangles over all bands or all frames, their length uniform in
/// 0 … the maximum (at most the picture), their place uniform.
struct SpecAugmentOptions {
  int64_t num_time_masks = 1;
  int64_t max_time_frames = 24;
  int64_t num_frequency_masks = 1;
  int64_t max_bands = 16;
  std::optional<double> value = std::nullopt;  ///< what masked places hold; none: the clip's mean
  double probability = 1;
};

/// Zhang et al. 2018: λ x + (1 - λ) x[permutation], one λ ~ Beta(alpha, alpha) a batch. The labels are to be mixed in
/// the same way.
struct MixupOptions {
  double alpha = 0.2;
  double probability = 0.8;  ///< of the batch being mixed
};

/// Schmid et al. 2022 (MixStyle of Zhou et al. 2021 along frequency): each band's mean and deviation over time are
/// mixed with those of another clip, λ x + (1 - λ) other, λ = max(l, 1 - l), l ~ Beta(alpha, alpha) for each clip.
struct FrequencyMixStyleOptions {
  double alpha = 0.4;
  double probability = 0.7;  ///< of the batch being mixed
};

/// A random frequency response: offsets uniform in ± max_offset at num_points evenly spaced bands, linear between them
/// (FilterAugment of Nam et al. 2022, linear type, with evenly spaced points).
struct RandomFrequencyResponseOptions {
  double max_offset = 0.3;  ///< in the spectrogram's own unit
  int64_t num_points = 6;   ///< 2 or more
  double probability = 1;
};

using AugmentOptions = std::variant<TimeShiftOptions, TimeStretchOptions, FrequencyScaleOptions, FrequencyShiftOptions,
                                    RandomCropOptions, GainOptions, NoiseOptions, SpecAugmentOptions, MixupOptions,
                                    FrequencyMixStyleOptions, RandomFrequencyResponseOptions>;

/// Throws ParameterError where an option is out of its range, or mixup occurs twice.
void check_augmentations(const std::vector<AugmentOptions>& augmentations);

struct Augmented {
  at::Tensor spectrograms;
  at::Tensor permutation;  ///< (clips,) int64 on the spectrograms' device; undefined where the batch is not mixed up
  double weight = 1;       ///< λ: of a clip's own label; 1 - λ is that of the clip `permutation` names
};

/// Applies the augmentations in their order to (clips, channels, bands, frames) float32 on any device; `x` is left as
/// it is. `generator` is of the CPU and draws everything, noise values alone excepted (those come from a generator of
/// the device that it seeds): a seed gives the same augmentation on every device. No gradient flows back.
Augmented augment(const std::vector<AugmentOptions>& augmentations, const at::Tensor& x, at::Generator& generator);

}  // namespace siamaudio

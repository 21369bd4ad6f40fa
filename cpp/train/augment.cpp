#include "train/augment.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_standard_gamma.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>

#include "base/errors.h"
#include "model/init.h"
#include "train/augment_ops.h"

namespace siamaudio {
namespace {

/// Draws of one value for each clip and more, in float64 on the CPU.
class Draws {
 public:
  Draws(int64_t num_clips, at::Generator& generator) : num_clips_(num_clips), generator_(generator) {}

  /// (clips, columns) in [low, high).
  at::Tensor uniform(double low, double high, int64_t columns) {
    return at::rand({num_clips_, columns}, generator_, at::kDouble) * (high - low) + low;
  }
  /// (clips,) in [low, high).
  at::Tensor uniform(double low, double high) { return uniform(low, high, 1).squeeze(1); }

  /// Log-uniform in [1 / limit, limit), (clips,).
  at::Tensor factor(double limit) { return uniform(-std::log(limit), std::log(limit)).exp(); }

  /// As many integers as `bounds`, each uniform in [0, bound).
  at::Tensor below(const at::Tensor& bounds) {
    return (at::rand(bounds.sizes(), generator_, at::kDouble) * bounds).floor().to(at::kLong);
  }
  /// (clips,) in [0, bound).
  at::Tensor below(int64_t bound) { return below(at::full({num_clips_}, bound, at::kLong)); }

  /// Beta(alpha, alpha) of two gamma draws, (count,).
  at::Tensor beta(double alpha, int64_t count) {
    const at::Tensor shape = at::full({count}, alpha, at::kDouble);
    const at::Tensor a = at::_standard_gamma(shape, generator_);
    return a / (a + at::_standard_gamma(shape, generator_));
  }

  /// True with `probability`, (clips,).
  at::Tensor chosen(double probability) { return uniform(0, 1).lt(probability); }
  bool is_chosen(double probability) { return at::rand({1}, generator_, at::kDouble).item<double>() < probability; }

  at::Tensor permutation() { return at::randperm(num_clips_, generator_, at::kLong); }

  uint64_t seed() { return static_cast<uint64_t>(below(at::full({1}, int64_t{1} << 52, at::kLong)).item<int64_t>()); }

  int64_t num_clips() const { return num_clips_; }

 private:
  int64_t num_clips_;
  at::Generator& generator_;
};

Warp no_warp(int64_t num_clips) {
  const at::Tensor one = at::ones({num_clips}, at::kDouble);
  const at::Tensor zero = at::zeros({num_clips}, at::kDouble);
  return {.time_scale = one, .time_offset = zero, .band_scale = one, .band_offset = zero};
}

/// The augmentations of one batch, in turn. Resamplings are collected, and done together before anything else.
class Augmenter {
 public:
  Augmenter(const at::Tensor& x, at::Generator& generator)
      : draws_(x.size(0), generator), warp_(no_warp(x.size(0))), result_{.spectrograms = x, .permutation = {}} {}

  void apply(const TimeStretchOptions& options) {
    stretch(warp_.time_scale, warp_.time_offset, draws_.factor(options.max_factor), options.probability,
            result_.spectrograms.size(3));
  }

  void apply(const FrequencyScaleOptions& options) {
    stretch(warp_.band_scale, warp_.band_offset, draws_.factor(options.max_factor), options.probability,
            result_.spectrograms.size(2));
  }

  void apply(const FrequencyShiftOptions& options) {
    const at::Tensor shift = draws_.uniform(-options.max_bands, options.max_bands);
    const at::Tensor chosen = draws_.chosen(options.probability);
    warp_.band_offset = warp_.band_offset - warp_.band_scale * at::where(chosen, shift, 0.0);
  }

  void apply(const TimeShiftOptions& options) {
    const at::Tensor shifts = draws_.below(finished().size(3));
    keep(draws_.chosen(options.probability), [&](const at::Tensor& x) { return time_shift(x, shifts); });
  }

  void apply(const RandomCropOptions& options) {
    const at::Tensor& x = finished();
    const int64_t spare = x.size(3) - options.frames;
    const at::Tensor drawn = draws_.below(std::abs(spare) + 1);
    if (spare != 0) result_.spectrograms = crop(x, spare > 0 ? drawn : drawn + spare, options.frames);
  }

  void apply(const GainOptions& options) {
    const at::Tensor gains = draws_.uniform(1 - options.max_gain, 1 + options.max_gain);
    const at::Tensor offsets = draws_.uniform(-options.max_offset, options.max_offset);
    keep(draws_.chosen(options.probability), [&](const at::Tensor& x) { return gain(x, gains, offsets); });
  }

  void apply(const NoiseOptions& options) {
    const uint64_t seed = draws_.seed();
    keep(draws_.chosen(options.probability), [&](const at::Tensor& x) {
      return at::empty_like(x).normal_(0, options.std, make_generator(x.device(), seed)).add_(x);
    });
  }

  void apply(const SpecAugmentOptions& options) {
    const at::Tensor& x = finished();
    const Spans frames = spans(options.num_time_masks, options.max_time_frames, x.size(3));
    const Spans bands = spans(options.num_frequency_masks, options.max_bands, x.size(2));
    keep(draws_.chosen(options.probability), [&](const at::Tensor& from) {
      return mask(from, frames, bands,
                  options.value ? at::full({from.size(0)}, *options.value, from.options()) : from.mean({1, 2, 3}));
    });
  }

  void apply(const MixupOptions& options) {
    const double weight = draws_.beta(options.alpha, 1).item<double>();
    const at::Tensor permutation = draws_.permutation();
    if (!draws_.is_chosen(options.probability)) return;
    result_.weight = weight;
    result_.permutation = permutation.to(finished().device());
    result_.spectrograms = mixup(result_.spectrograms, result_.permutation, weight);
  }

  void apply(const FrequencyMixStyleOptions& options) {
    const at::Tensor drawn = draws_.beta(options.alpha, draws_.num_clips());
    const at::Tensor permutation = draws_.permutation();
    if (draws_.is_chosen(options.probability))
      result_.spectrograms = mix_style(finished(), permutation, drawn.maximum(1 - drawn));
  }

  void apply(const RandomFrequencyResponseOptions& options) {
    const at::Tensor offsets = draws_.uniform(-options.max_offset, options.max_offset, options.num_points);
    keep(draws_.chosen(options.probability), [&](const at::Tensor& x) { return frequency_response(x, offsets); });
  }

  Augmented result() {
    finished();
    return result_;
  }

 private:
  /// Reads at middle + (place - middle) / factor, and there what was to be read before.
  void stretch(at::Tensor& scale, at::Tensor& offset, const at::Tensor& factor, double probability, int64_t size) {
    const at::Tensor slope = at::where(draws_.chosen(probability), factor.reciprocal(), 1.0);
    offset = offset + scale * (1 - slope) * (static_cast<double>(size - 1) / 2);
    scale = scale * slope;
  }

  /// The spectrograms after the resamplings that are still to be done.
  const at::Tensor& finished() {
    const at::Tensor moved = warp_.time_scale.ne(1)
                                 .logical_or(warp_.time_offset.ne(0))
                                 .logical_or(warp_.band_scale.ne(1).logical_or(warp_.band_offset.ne(0)));
    const Warp collected = std::exchange(warp_, no_warp(draws_.num_clips()));
    change(moved, [&](const at::Tensor& x) { return warp(x, collected); });
    return result_.spectrograms;
  }

  template <typename Change>
  void keep(const at::Tensor& chosen, const Change& apply_change) {
    finished();
    change(chosen, apply_change);
  }

  /// Changes the chosen clips and leaves the bits of the others alone.
  template <typename Change>
  void change(const at::Tensor& chosen, const Change& apply_change) {
    if (!chosen.any().item<bool>()) return;
    at::Tensor& x = result_.spectrograms;
    const at::Tensor changed = apply_change(x);
    x = chosen.all().item<bool>() ? changed : at::where(chosen.to(x.device()).view({-1, 1, 1, 1}), changed, x);
  }

  Spans spans(int64_t count, int64_t longest, int64_t size) {
    const at::Tensor lengths =
        draws_.below(at::full({draws_.num_clips(), count}, std::min(longest, size) + 1, at::kLong));
    return {.starts = draws_.below(size + 1 - lengths), .lengths = lengths};
  }

  Draws draws_;
  Warp warp_;
  Augmented result_;
};

std::string describe(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

void require(bool holds, const char* name, double value, const char* accepted) {
  if (!holds) throw ParameterError(name, describe(value), accepted);
}

void require_probability(const char* name, double value) { require(value >= 0 && value <= 1, name, value, "0 to 1"); }

/// A strength: finite, 0 or more.
void require_strength(const char* name, double value) {
  require(value >= 0 && std::isfinite(value), name, value, "a finite number, 0 or more");
}

void require_factor(const char* name, double value) {
  require(value >= 1 && std::isfinite(value), name, value, "a finite number, 1 or more");
}

void require_count(const char* name, int64_t value, int64_t least) {
  if (value < least) throw ParameterError(name, std::to_string(value), std::to_string(least) + " or more");
}

/// Below 0.01 gamma draws underflow; there is nothing left between 0 and 1 by then.
void require_alpha(const char* name, double value) {
  require(value >= 0.01 && std::isfinite(value), name, value, "a finite number, 0.01 or more");
}

void check(const TimeShiftOptions& options) { require_probability("TimeShift.probability", options.probability); }

void check(const TimeStretchOptions& options) {
  require_factor("TimeStretch.max_factor", options.max_factor);
  require_probability("TimeStretch.probability", options.probability);
}

void check(const FrequencyScaleOptions& options) {
  require_factor("FrequencyScale.max_factor", options.max_factor);
  require_probability("FrequencyScale.probability", options.probability);
}

void check(const FrequencyShiftOptions& options) {
  require_strength("FrequencyShift.max_bands", options.max_bands);
  require_probability("FrequencyShift.probability", options.probability);
}

void check(const RandomCropOptions& options) { require_count("RandomCrop.frames", options.frames, 1); }

void check(const GainOptions& options) {
  require_strength("Gain.max_gain", options.max_gain);
  require_strength("Gain.max_offset", options.max_offset);
  require_probability("Gain.probability", options.probability);
}

void check(const NoiseOptions& options) {
  require_strength("Noise.std", options.std);
  require_probability("Noise.probability", options.probability);
}

void check(const SpecAugmentOptions& options) {
  require_count("SpecAugment.num_time_masks", options.num_time_masks, 0);
  require_count("SpecAugment.max_time_frames", options.max_time_frames, 0);
  require_count("SpecAugment.num_frequency_masks", options.num_frequency_masks, 0);
  require_count("SpecAugment.max_bands", options.max_bands, 0);
  if (options.value)
    require(std::isfinite(*options.value), "SpecAugment.value", *options.value, "a finite number, or none");
  require_probability("SpecAugment.probability", options.probability);
}

void check(const MixupOptions& options) {
  require_alpha("Mixup.alpha", options.alpha);
  require_probability("Mixup.probability", options.probability);
}

void check(const FrequencyMixStyleOptions& options) {
  require_alpha("FrequencyMixStyle.alpha", options.alpha);
  require_probability("FrequencyMixStyle.probability", options.probability);
}

void check(const RandomFrequencyResponseOptions& options) {
  require_strength("RandomFrequencyResponse.max_offset", options.max_offset);
  require_count("RandomFrequencyResponse.num_points", options.num_points, 2);
  require_probability("RandomFrequencyResponse.probability", options.probability);
}

}  // namespace

void check_augmentations(const std::vector<AugmentOptions>& augmentations) {
  for (const auto& augmentation : augmentations) std::visit([](const auto& options) { check(options); }, augmentation);
  const auto num_mixups = std::ranges::count_if(
      augmentations, [](const auto& options) { return std::holds_alternative<MixupOptions>(options); });
  if (num_mixups > 1)
    throw ParameterError("augment", std::to_string(num_mixups) + " times Mixup",
                         "Mixup once at most: a clip's label is mixed with one other");
}

Augmented augment(const std::vector<AugmentOptions>& augmentations, const at::Tensor& x, at::Generator& generator) {
  check_augmentations(augmentations);
  if (x.dim() != 4 || x.numel() == 0) {
    std::ostringstream shape;
    shape << x.sizes();
    throw ParameterError("spectrograms", shape.str(), "(clips, channels, bands, frames), one or more of each");
  }
  const at::NoGradGuard no_grad;
  Augmenter augmenter(x, generator);
  for (const auto& augmentation : augmentations)
    std::visit([&](const auto& options) { augmenter.apply(options); }, augmentation);
  return augmenter.result();
}

}  // namespace siamaudio

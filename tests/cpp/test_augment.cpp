#include "train/augment.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "expect.h"
#include "model/init.h"
#include "tensors.h"
#include "train/augment_ops.h"

namespace siamaudio {
namespace {

using Shape = std::array<int64_t, 4>;  // clips, channels, bands, frames

constexpr Shape kShapes[] = {{3, 2, 5, 7}, {4, 1, 8, 1}, {2, 1, 1, 6}, {1, 1, 1, 1}, {2, 3, 16, 33}};

at::Tensor doubles(std::vector<double> data) { return at::tensor(data, at::kDouble); }
at::Tensor integers(std::vector<int64_t> data) { return at::tensor(data, at::kLong); }

/// A picture by indices, as the oracles read it.
struct Picture {
  explicit Picture(const at::Tensor& x)
      : clips(x.size(0)), channels(x.size(1)), bands(x.size(2)), frames(x.size(3)), data(values(x)) {}

  double operator()(int64_t n, int64_t c, int64_t b, int64_t t) const {
    return data.at(static_cast<size_t>(((n * channels + c) * bands + b) * frames + t));
  }

  int64_t clips, channels, bands, frames;
  std::vector<double> data;
};

/// Compares a tensor with oracle(clip, channel, band, frame) everywhere.
void expect_picture(const at::Tensor& actual, const std::function<double(int64_t, int64_t, int64_t, int64_t)>& oracle,
                    double tolerance, const std::string& what) {
  std::vector<double> expected;
  for (int64_t n = 0; n < actual.size(0); ++n)
    for (int64_t c = 0; c < actual.size(1); ++c)
      for (int64_t b = 0; b < actual.size(2); ++b)
        for (int64_t t = 0; t < actual.size(3); ++t) expected.push_back(oracle(n, c, b, t));
  expect_close(values(actual), expected, tolerance, what);
}

std::string name(const Shape& shape) {
  std::string text;
  for (const int64_t side : shape) text += std::to_string(side) += ' ';
  return text;
}

/// As many values as clips, from a list that starts again at its end.
template <typename T>
std::vector<T> per_clip(const std::vector<T>& list, int64_t num_clips) {
  std::vector<T> all;
  for (int64_t i = 0; i < num_clips; ++i) all.push_back(list[static_cast<size_t>(i) % list.size()]);
  return all;
}

// ---- The operations, against loops

TEST(AugmentOps, TimeShiftGoesRound) {
  for (const Shape& shape : kShapes) {
    const at::Tensor x = noise_tensor(shape, 1);
    const auto shifts = per_clip<int64_t>({2, 0, -3, 100}, shape[0]);
    const Picture from(x);
    expect_picture(
        time_shift(x, integers(shifts)),
        [&](int64_t n, int64_t c, int64_t b, int64_t t) {
          int64_t source = t - shifts[static_cast<size_t>(n)];
          while (source < 0) source += from.frames;
          while (source >= from.frames) source -= from.frames;
          return from(n, c, b, source);
        },
        0, name(shape));
  }
}

/// A place mirrored about the middles of the first and the last one, until it lies between them.
double mirrored(double place, int64_t size) {
  if (size == 1) return 0;
  const auto last = static_cast<double>(size - 1);
  while (place < 0 || place > last) place = place < 0 ? -place : 2 * last - place;
  return place;
}

double bilinear(const Picture& from, int64_t n, int64_t c, double band, double frame) {
  const double b = mirrored(band, from.bands);
  const double t = mirrored(frame, from.frames);
  const auto b0 = static_cast<int64_t>(std::floor(b));
  const auto t0 = static_cast<int64_t>(std::floor(t));
  const int64_t b1 = std::min(b0 + 1, from.bands - 1);
  const int64_t t1 = std::min(t0 + 1, from.frames - 1);
  const double u = b - static_cast<double>(b0);
  const double v = t - static_cast<double>(t0);
  return (1 - u) * ((1 - v) * from(n, c, b0, t0) + v * from(n, c, b0, t1)) +
         u * ((1 - v) * from(n, c, b1, t0) + v * from(n, c, b1, t1));
}

TEST(AugmentOps, WarpIsBilinearAndMirrored) {
  for (const Shape& shape : kShapes) {
    const at::Tensor x = noise_tensor(shape, 2);
    const auto time_scale = per_clip<double>({0.8, 1, 1.3}, shape[0]);
    const auto time_offset = per_clip<double>({0.4, 0, -2.6, 5}, shape[0]);
    const auto band_scale = per_clip<double>({1.1, 1, 0.7}, shape[0]);
    const auto band_offset = per_clip<double>({-1.5, 0, 3, -4.25}, shape[0]);
    const Picture from(x);
    expect_picture(
        warp(x, {.time_scale = doubles(time_scale),
                 .time_offset = doubles(time_offset),
                 .band_scale = doubles(band_scale),
                 .band_offset = doubles(band_offset)}),
        [&](int64_t n, int64_t c, int64_t b, int64_t t) {
          const auto i = static_cast<size_t>(n);
          return bilinear(from, n, c, band_scale[i] * static_cast<double>(b) + band_offset[i],
                          time_scale[i] * static_cast<double>(t) + time_offset[i]);
        },
        1e-4, name(shape));  // float32 places: about 2e-6 of the width, times a slope of at most 2 a frame
  }
}

TEST(AugmentOps, CropTakesAPartOrSurroundsWithTheMinimum) {
  for (const Shape& shape : kShapes) {
    const at::Tensor x = noise_tensor(shape, 3);
    const auto starts = per_clip<int64_t>({1, 0, -2, -9}, shape[0]);
    const Picture from(x);
    std::vector<double> minima(static_cast<size_t>(from.clips), std::numeric_limits<double>::infinity());
    const size_t size = from.data.size() / minima.size();
    for (size_t i = 0; i < from.data.size(); ++i) minima[i / size] = std::min(minima[i / size], from.data[i]);
    for (const int64_t frames : {int64_t{1}, int64_t{4}, shape[3], shape[3] + 3}) {
      const at::Tensor part = crop(x, integers(starts), frames);
      EXPECT_EQ(part.size(3), frames);
      expect_picture(
          part,
          [&](int64_t n, int64_t c, int64_t b, int64_t t) {
            const int64_t source = t + starts[static_cast<size_t>(n)];
            return source < 0 || source >= from.frames ? minima[static_cast<size_t>(n)] : from(n, c, b, source);
          },
          0, name(shape));
    }
  }
}

TEST(AugmentOps, GainIsLinear) {
  for (const Shape& shape : kShapes) {
    const at::Tensor x = noise_tensor(shape, 4);
    const auto gains = per_clip<double>({0.9, 1, 1.2}, shape[0]);
    const auto offsets = per_clip<double>({0.1, 0, -0.3}, shape[0]);
    const Picture from(x);
    expect_picture(
        gain(x, doubles(gains), doubles(offsets)),
        [&](int64_t n, int64_t c, int64_t b, int64_t t) {
          return from(n, c, b, t) * gains[static_cast<size_t>(n)] + offsets[static_cast<size_t>(n)];
        },
        3e-7, name(shape));
  }
}

TEST(AugmentOps, FrequencyResponseIsLinearBetweenItsPoints) {
  for (const Shape& shape : kShapes) {
    const at::Tensor x = noise_tensor(shape, 5);
    for (const int64_t num_points : {2, 3, 6, 40}) {
      const at::Tensor offsets = noise_tensor({shape[0], num_points}, 6);
      const auto points = values(offsets);
      const Picture from(x);
      expect_picture(
          frequency_response(x, offsets),
          [&](int64_t n, int64_t c, int64_t b, int64_t t) {
            const double place =
                from.bands == 1 ? 0 : static_cast<double>(b * (num_points - 1)) / static_cast<double>(from.bands - 1);
            const auto left = static_cast<size_t>(place);
            const size_t first = static_cast<size_t>(n * num_points);
            const size_t right = std::min(left + 1, static_cast<size_t>(num_points - 1));
            const double part = place - static_cast<double>(left);
            return from(n, c, b, t) + (1 - part) * points[first + left] + part * points[first + right];
          },
          1e-5, name(shape));  // float32 places on up to 40 points
    }
  }
}

TEST(AugmentOps, MaskPutsAValueOnSpans) {
  for (const Shape& shape : kShapes) {
    const at::Tensor x = noise_tensor(shape, 7);
    const Picture from(x);
    // Two spans of frames, one of bands: within, none, at the end, all and more.
    const auto time_starts = per_clip<int64_t>({1, 0, 5, 0}, 2 * shape[0]);
    const auto time_lengths = per_clip<int64_t>({2, 0, 2, 500, 1, 1}, 2 * shape[0]);
    const auto band_starts = per_clip<int64_t>({3, 0}, shape[0]);
    const auto band_lengths = per_clip<int64_t>({1, 0, 2}, shape[0]);
    const auto fill = per_clip<double>({9, -9, 7}, shape[0]);
    const Spans frames{.starts = integers(time_starts).view({-1, 2}), .lengths = integers(time_lengths).view({-1, 2})};
    const Spans bands{.starts = integers(band_starts).view({-1, 1}), .lengths = integers(band_lengths).view({-1, 1})};
    expect_picture(
        mask(x, frames, bands, doubles(fill)),
        [&](int64_t n, int64_t c, int64_t b, int64_t t) {
          const auto i = static_cast<size_t>(n);
          bool is_masked = b >= band_starts[i] && b < band_starts[i] + band_lengths[i];
          for (const size_t j : {2 * i, 2 * i + 1})
            is_masked = is_masked || (t >= time_starts[j] && t < time_starts[j] + time_lengths[j]);
          return is_masked ? fill[i] : from(n, c, b, t);
        },
        0, name(shape));
  }
}

TEST(AugmentOps, MaskWithoutSpansChangesNothing) {
  const at::Tensor x = noise_tensor({2, 1, 4, 5}, 8);
  const Spans none{.starts = at::zeros({2, 0}, at::kLong), .lengths = at::zeros({2, 0}, at::kLong)};
  EXPECT_TRUE(at::equal(mask(x, none, none, doubles({1, 2})), x));
}

TEST(AugmentOps, MixupIsAWeightedMean) {
  const Shape shape{4, 2, 3, 5};
  const at::Tensor x = noise_tensor(shape, 9);
  const std::vector<int64_t> permutation{2, 1, 3, 0};
  const Picture from(x);
  for (const double weight : {0.0, 0.3, 0.9, 1.0})
    expect_picture(
        mixup(x, integers(permutation), weight),
        [&](int64_t n, int64_t c, int64_t b, int64_t t) {
          return weight * from(n, c, b, t) + (1 - weight) * from(permutation[static_cast<size_t>(n)], c, b, t);
        },
        2e-7, std::to_string(weight));
  EXPECT_TRUE(at::equal(mixup(x, integers(permutation), 1), x));
}

TEST(AugmentOps, MixStyleMixesMeanAndDeviationOfEachBand) {
  for (const Shape& shape : {Shape{4, 2, 3, 5}, Shape{4, 1, 6, 40}, Shape{4, 1, 2, 1}}) {
    const at::Tensor x = noise_tensor(shape, 10) * 3 + 1;
    const std::vector<int64_t> permutation{2, 1, 3, 0};
    const std::vector<double> weights{0.5, 0.8, 0.99, 1};
    const Picture from(x);
    const auto moments = [&](int64_t n, int64_t c, int64_t b) {
      double mean = 0;
      for (int64_t t = 0; t < from.frames; ++t) mean += from(n, c, b, t) / static_cast<double>(from.frames);
      double variance = 0;
      for (int64_t t = 0; t < from.frames; ++t)
        variance += std::pow(from(n, c, b, t) - mean, 2) / static_cast<double>(from.frames);
      return std::pair(mean, std::sqrt(variance + 1e-6));
    };
    expect_picture(
        mix_style(x, integers(permutation), doubles(weights)),
        [&](int64_t n, int64_t c, int64_t b, int64_t t) {
          const auto i = static_cast<size_t>(n);
          const auto [mean, deviation] = moments(n, c, b);
          const auto [other_mean, other_deviation] = moments(permutation[i], c, b);
          return (from(n, c, b, t) - mean) / deviation * (weights[i] * deviation + (1 - weights[i]) * other_deviation) +
                 weights[i] * mean + (1 - weights[i]) * other_mean;
        },
        5e-6, name(shape));
    expect_close(values(mix_style(x, integers(permutation), doubles({1, 1, 1, 1}))), values(x), 1e-6);
  }
}

// ---- What is drawn

Augmented apply(const std::vector<AugmentOptions>& augmentations, const at::Tensor& x, uint64_t seed) {
  at::Generator generator = make_generator(at::kCPU, seed);
  return augment(augmentations, x, generator);
}

/// Clips whose every value tells band and frame: band × 1000 + frame.
at::Tensor coordinates(int64_t num_clips, int64_t num_bands, int64_t num_frames) {
  std::vector<float> data;
  for (int64_t n = 0; n < num_clips; ++n)
    for (int64_t b = 0; b < num_bands; ++b)
      for (int64_t t = 0; t < num_frames; ++t) data.push_back(static_cast<float>(b * 1000 + t));
  return make_tensor(data, {num_clips, 1, num_bands, num_frames});
}

double mean_of(const std::vector<double>& list) {
  double sum = 0;
  for (const double value : list) sum += value;
  return sum / static_cast<double>(list.size());
}

TEST(Augment, ShiftsTimeUniformly) {
  const at::Tensor x = coordinates(4000, 2, 8);
  const Picture shifted(apply({TimeShiftOptions{}}, x, 1).spectrograms);
  std::vector<int64_t> counts(8);
  for (int64_t n = 0; n < 4000; ++n) ++counts.at(static_cast<size_t>(shifted(n, 0, 0, 0)));
  for (const int64_t count : counts) EXPECT_NEAR(static_cast<double>(count), 500, 105);  // standard deviation 21
}

/// How far the middle's neighbour on an axis is read from the middle: 1 / factor.
std::vector<double> drawn_factors(const AugmentOptions& option, bool of_time) {
  const Picture drawn(apply({option}, coordinates(2000, 9, 9), 1).spectrograms);
  std::vector<double> factors;
  for (int64_t n = 0; n < drawn.clips; ++n) {
    const double step =
        of_time ? drawn(n, 0, 4, 5) - drawn(n, 0, 4, 4) : (drawn(n, 0, 5, 4) - drawn(n, 0, 4, 4)) / 1000;
    factors.push_back(1 / step);
    EXPECT_NEAR(drawn(n, 0, 4, 4), 4004, 0.01);  // the middle stays
  }
  return factors;
}

TEST(Augment, StretchesTimeAndScalesFrequencyLogUniformly) {
  for (const bool of_time : {true, false}) {
    const double limit = of_time ? 1.2 : 1.1;
    const auto factors =
        of_time ? drawn_factors(TimeStretchOptions{}, true) : drawn_factors(FrequencyScaleOptions{}, false);
    std::vector<double> places;  // of the logarithm between its bounds
    for (const double factor : factors) places.push_back(std::log(factor) / (2 * std::log(limit)) + 0.5);
    EXPECT_GT(std::ranges::min(places), -0.01);
    EXPECT_LT(std::ranges::max(places), 1.01);
    EXPECT_LT(std::ranges::min(places), 0.01);
    EXPECT_GT(std::ranges::max(places), 0.99);
    EXPECT_NEAR(mean_of(places), 0.5, 0.03);  // standard deviation 0.0065
  }
}

TEST(Augment, ShiftsFrequencyUniformly) {
  const Picture shifted(apply({FrequencyShiftOptions{.max_bands = 3}}, coordinates(2000, 16, 2), 1).spectrograms);
  std::vector<double> shifts;
  for (int64_t n = 0; n < shifted.clips; ++n) shifts.push_back(8 - shifted(n, 0, 8, 0) / 1000);  // upwards
  EXPECT_GT(std::ranges::min(shifts), -3.001);
  EXPECT_LT(std::ranges::max(shifts), 3.001);
  EXPECT_LT(std::ranges::min(shifts), -2.95);
  EXPECT_GT(std::ranges::max(shifts), 2.95);
  EXPECT_NEAR(mean_of(shifts), 0, 0.2);  // standard deviation 0.039
}

TEST(Augment, ComposesResamplingsInTheirOrder) {
  // Where nothing is mirrored, a linear picture is resampled without error: together is as one after the other.
  const at::Tensor x = coordinates(50, 33, 33);
  const std::vector<AugmentOptions> options{FrequencyScaleOptions{.max_factor = 1.3}, TimeStretchOptions{},
                                            FrequencyShiftOptions{.max_bands = 4},
                                            FrequencyScaleOptions{.max_factor = 1.2, .probability = 0.5}};
  const Picture together(apply(options, x, 3).spectrograms);
  at::Generator generator = make_generator(at::kCPU, 3);
  at::Tensor step = x;
  for (const auto& option : options) step = augment({option}, step, generator).spectrograms;
  const Picture apart(step);
  for (int64_t n = 0; n < 50; ++n)
    for (int64_t b = 12; b < 21; ++b)
      for (int64_t t = 8; t < 25; ++t)
        EXPECT_NEAR(together(n, 0, b, t), apart(n, 0, b, t), 0.2) << n;  // of 1000 a band
}

TEST(Augment, CropsAtUniformPlaces) {
  const Picture part(apply({RandomCropOptions{.frames = 5}}, coordinates(2000, 1, 8), 1).spectrograms);
  EXPECT_EQ(part.frames, 5);
  std::vector<int64_t> counts(4);
  for (int64_t n = 0; n < part.clips; ++n) ++counts.at(static_cast<size_t>(part(n, 0, 0, 0)));
  for (const int64_t count : counts) EXPECT_NEAR(static_cast<double>(count), 500, 97);  // standard deviation 19

  const at::Tensor x = coordinates(2000, 1, 3) + 10;
  const Picture wider(apply({RandomCropOptions{.frames = 5}}, x, 1).spectrograms);
  std::vector<int64_t> places(3);
  for (int64_t n = 0; n < wider.clips; ++n) {
    int64_t place = 0;
    while (wider(n, 0, 0, place + 1) != 11) ++place;
    ++places.at(static_cast<size_t>(place));
    EXPECT_EQ(wider(n, 0, 0, place + 2), 12);
  }
  for (const int64_t count : places) EXPECT_NEAR(static_cast<double>(count), 667, 105);  // standard deviation 21
  EXPECT_TRUE(at::equal(apply({RandomCropOptions{.frames = 3}}, x, 1).spectrograms, x));
}

TEST(Augment, DrawsGainAndOffsetUniformly) {
  const at::Tensor x = make_tensor(std::vector<float>(4000, 1.0F), {2000, 1, 1, 2}) * at::tensor({0.0F, 1.0F});
  const Picture changed(apply({GainOptions{.max_gain = 0.2, .max_offset = 0.5}}, x, 1).spectrograms);
  std::vector<double> gains;
  std::vector<double> offsets;
  for (int64_t n = 0; n < 2000; ++n) {
    offsets.push_back(changed(n, 0, 0, 0));
    gains.push_back(changed(n, 0, 0, 1) - changed(n, 0, 0, 0));
  }
  EXPECT_NEAR(std::ranges::min(gains), 0.8, 0.01);
  EXPECT_NEAR(std::ranges::max(gains), 1.2, 0.01);
  EXPECT_NEAR(mean_of(gains), 1, 0.013);  // standard deviation 0.0026
  EXPECT_NEAR(std::ranges::min(offsets), -0.5, 0.01);
  EXPECT_NEAR(std::ranges::max(offsets), 0.5, 0.01);
  EXPECT_NEAR(mean_of(offsets), 0, 0.033);  // standard deviation 0.0065
}

TEST(Augment, AddsGaussianNoise) {
  const at::Tensor x = noise_tensor({10, 1, 20, 100}, 1);
  const auto noise_values = values(apply({NoiseOptions{.std = 0.3}}, x, 1).spectrograms - x);
  EXPECT_NEAR(mean_of(noise_values), 0, 0.011);  // 20,000 values: standard deviation 0.0021
  double square = 0;
  double fourth = 0;
  for (const double value : noise_values) {
    square += std::pow(value / 0.3, 2) / 20000;
    fourth += std::pow(value / 0.3, 4) / 20000;
  }
  EXPECT_NEAR(square, 1, 0.05);
  EXPECT_NEAR(fourth, 3, 0.35);  // standard deviation 0.07; of uniform noise it would be 1.8
}

TEST(Augment, MasksSpansOfUniformLength) {
  const at::Tensor x = coordinates(3000, 12, 10) + 1;  // nowhere 0
  const SpecAugmentOptions options{
      .num_time_masks = 1, .max_time_frames = 4, .num_frequency_masks = 1, .max_bands = 3, .value = 0};
  const Picture masked(apply({options}, x, 1).spectrograms);
  std::vector<int64_t> time_counts(5);
  std::vector<int64_t> band_counts(4);
  std::set<int64_t> first_frames;
  for (int64_t n = 0; n < masked.clips; ++n) {
    const auto frame_is_masked = [&](int64_t t) {
      for (int64_t b = 0; b < 12; ++b)
        if (masked(n, 0, b, t) != 0) return false;
      return true;
    };
    const auto band_is_masked = [&](int64_t b) {
      for (int64_t t = 0; t < 10; ++t)
        if (masked(n, 0, b, t) != 0) return false;
      return true;
    };
    size_t num_frames = 0;
    size_t num_bands = 0;
    for (int64_t t = 9; t >= 0; --t)
      if (frame_is_masked(t)) {
        ++num_frames;
        if (num_frames == 1) first_frames.insert(t);
      }
    for (int64_t b = 0; b < 12; ++b) num_bands += band_is_masked(b) ? 1 : 0;
    ++time_counts.at(num_frames);
    ++band_counts.at(num_bands);
    size_t num_masked = 0;
    for (int64_t b = 0; b < 12; ++b)
      for (int64_t t = 0; t < 10; ++t) num_masked += masked(n, 0, b, t) == 0 ? 1 : 0;
    EXPECT_EQ(num_masked, 12 * num_frames + 10 * num_bands - num_frames * num_bands);
  }
  for (const int64_t count : time_counts) EXPECT_NEAR(static_cast<double>(count), 600, 110);  // standard deviation 22
  for (const int64_t count : band_counts) EXPECT_NEAR(static_cast<double>(count), 750, 119);  // 24
  EXPECT_EQ(first_frames.size(), 10U);
}

TEST(Augment, MasksWithTheMeanOfAClip) {
  const at::Tensor x = noise_tensor({6, 1, 4, 5}, 3);
  const SpecAugmentOptions all{.num_time_masks = 40, .max_time_frames = 1000, .num_frequency_masks = 0};
  const Picture masked(apply({all}, x, 1).spectrograms);  // 40 masks leave nothing of five frames
  for (int64_t n = 0; n < 6; ++n)
    for (int64_t b = 0; b < 4; ++b)
      for (int64_t t = 0; t < 5; ++t) EXPECT_NEAR(masked(n, 0, b, t), mean_of(values(x[n])), 1e-6);
}

TEST(Augment, MixesUpWithABetaWeight) {
  // Beta(a, a) has the mean 1/2 and the variance 1 / (8 a + 4).
  for (const double alpha : {0.2, 1.0, 5.0}) {
    const at::Tensor x = noise_tensor({3, 1, 2, 2}, 1);
    std::vector<double> weights;
    std::vector<double> squares;
    std::set<int64_t> partners;
    for (uint64_t seed = 0; seed < 1500; ++seed) {
      const Augmented mixed = apply({MixupOptions{.alpha = alpha, .probability = 1}}, x, seed);
      ASSERT_TRUE(mixed.permutation.defined());
      weights.push_back(mixed.weight);
      squares.push_back(std::pow(mixed.weight - 0.5, 2));
      partners.insert(mixed.permutation[0].item<int64_t>());
      EXPECT_TRUE(at::equal(mixed.spectrograms, mixup(x, mixed.permutation, mixed.weight)));
    }
    EXPECT_EQ(partners.size(), 3U);
    EXPECT_NEAR(mean_of(weights), 0.5, 0.06);  // standard deviation 0.011 at most
    EXPECT_NEAR(mean_of(squares) * (8 * alpha + 4), 1, 0.2);
  }
}

TEST(Augment, MixesUpSomeBatches) {
  const at::Tensor x = noise_tensor({3, 1, 2, 2}, 1);
  int num_mixed = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const Augmented mixed = apply({MixupOptions{}}, x, seed);
    num_mixed += mixed.permutation.defined() ? 1 : 0;
    if (mixed.permutation.defined()) continue;
    EXPECT_EQ(mixed.weight, 1);
    EXPECT_TRUE(at::equal(mixed.spectrograms, x));
  }
  EXPECT_NEAR(num_mixed, 800, 65);  // standard deviation 12.6
}

TEST(Augment, MixesStylesWithinTheBatch) {
  // Bands without any change over time: what comes out is the mixed mean.
  const int64_t num_clips = 2000;
  const at::Tensor means = noise_tensor({num_clips, 1, 1, 1}, 1);
  const at::Tensor x = means.expand({num_clips, 1, 2, 4}).contiguous();
  const at::Tensor mixed = apply({FrequencyMixStyleOptions{.probability = 1}}, x, 1).spectrograms;
  const auto before = values(means.flatten());
  const Picture after(mixed);
  int num_changed = 0;
  for (int64_t n = 0; n < num_clips; ++n) {
    EXPECT_NEAR(after(n, 0, 0, 0), after(n, 0, 1, 3), 1e-6);
    num_changed += std::abs(after(n, 0, 0, 0) - before[static_cast<size_t>(n)]) > 1e-3 ? 1 : 0;
    // λ is a half or more: the own mean weighs most, and the other one is in [-1, 1).
    EXPECT_LE(std::abs(after(n, 0, 0, 0) - before[static_cast<size_t>(n)] / 2), 0.5 * (1 + 1e-5) + 0.5);
  }
  EXPECT_GT(num_changed, num_clips / 2);
  EXPECT_TRUE(at::equal(apply({FrequencyMixStyleOptions{.probability = 0}}, x, 1).spectrograms, x));
}

TEST(Augment, DrawsFrequencyResponses) {
  const at::Tensor x = at::zeros({2000, 1, 11, 2});
  const Picture response(
      apply({RandomFrequencyResponseOptions{.max_offset = 0.5, .num_points = 3}}, x, 1).spectrograms);
  std::vector<double> first;
  double product = 0;
  for (int64_t n = 0; n < 2000; ++n) {
    first.push_back(response(n, 0, 0, 0));
    product += response(n, 0, 0, 0) * response(n, 0, 5, 0) / 2000;
    EXPECT_EQ(response(n, 0, 7, 0), response(n, 0, 7, 1));
    EXPECT_NEAR(2 * response(n, 0, 2, 0), response(n, 0, 1, 0) + response(n, 0, 3, 0), 1e-6);
  }
  EXPECT_NEAR(std::ranges::min(first), -0.5, 0.01);
  EXPECT_NEAR(std::ranges::max(first), 0.5, 0.01);
  EXPECT_NEAR(product, 0, 0.01);  // independent points; standard deviation 0.0019
}

// ---- What holds of all

const AugmentOptions kAll[] = {TimeShiftOptions{},
                               TimeStretchOptions{},
                               FrequencyScaleOptions{},
                               FrequencyShiftOptions{},
                               GainOptions{},
                               NoiseOptions{},
                               SpecAugmentOptions{},
                               MixupOptions{.probability = 1},
                               FrequencyMixStyleOptions{.probability = 1},
                               RandomFrequencyResponseOptions{}};

template <typename Options>
AugmentOptions with_probability(Options options, double probability) {
  if constexpr (requires { options.probability; }) options.probability = probability;
  return options;
}

AugmentOptions with(const AugmentOptions& option, double probability) {
  return std::visit([&](const auto& options) { return with_probability(options, probability); }, option);
}

TEST(Augment, ChangesEveryClipShapeAndInputKept) {
  const at::Tensor x = noise_tensor({5, 2, 24, 40}, 1);
  const at::Tensor copy = x.clone();
  for (const AugmentOptions& option : kAll) {
    const at::Tensor changed = apply({option}, x, 4).spectrograms;
    EXPECT_EQ(changed.sizes(), x.sizes());
    EXPECT_EQ(changed.scalar_type(), at::kFloat);
    EXPECT_FALSE(at::equal(changed, x)) << option.index();
    EXPECT_TRUE(at::equal(x, copy)) << option.index();
  }
}

TEST(Augment, WithProbabilityZeroChangesNoBit) {
  const at::Tensor x = noise_tensor({5, 2, 24, 40}, 1);
  std::vector<AugmentOptions> all;
  for (const AugmentOptions& option : kAll) {
    all.push_back(with(option, 0));
    EXPECT_TRUE(at::equal(apply({all.back()}, x, 1).spectrograms, x)) << option.index();
  }
  EXPECT_TRUE(at::equal(apply(all, x, 1).spectrograms, x));
  EXPECT_TRUE(at::equal(apply({}, x, 1).spectrograms, x));
}

TEST(Augment, LeavesTheBitsOfClipsThatAreNotChosen) {
  const at::Tensor x = noise_tensor({400, 1, 6, 8}, 1);
  for (const AugmentOptions& option : kAll) {
    if (std::holds_alternative<MixupOptions>(option) || std::holds_alternative<FrequencyMixStyleOptions>(option))
      continue;  // of whole batches
    const at::Tensor changed = apply({with(option, 0.25)}, x, 1).spectrograms;
    int64_t num_changed = 0;
    for (int64_t n = 0; n < 400; ++n) num_changed += at::equal(changed[n], x[n]) ? 0 : 1;
    EXPECT_LT(num_changed, 145) << option.index();  // 100 are chosen, standard deviation 8.7
    EXPECT_GT(num_changed, 45) << option.index();   // a few of those by nothing
  }
}

TEST(Augment, WithoutStrengthChangesNothing) {
  const at::Tensor x = noise_tensor({5, 1, 9, 12}, 1);
  const AugmentOptions options[] = {TimeStretchOptions{.max_factor = 1},
                                    FrequencyScaleOptions{.max_factor = 1},
                                    FrequencyShiftOptions{.max_bands = 0},
                                    GainOptions{.max_gain = 0, .max_offset = 0},
                                    NoiseOptions{.std = 0},
                                    SpecAugmentOptions{.max_time_frames = 0, .max_bands = 0},
                                    SpecAugmentOptions{.num_time_masks = 0, .num_frequency_masks = 0},
                                    RandomFrequencyResponseOptions{.max_offset = 0},
                                    RandomCropOptions{.frames = 12}};
  for (const AugmentOptions& option : options)
    expect_close(values(apply({option}, x, 1).spectrograms), values(x), 1e-6, std::to_string(option.index()));
}

TEST(Augment, RepeatsItselfFromTheSameSeedOnly) {
  const at::Tensor x = noise_tensor({5, 1, 24, 40}, 1);
  const std::vector<AugmentOptions> all(std::begin(kAll), std::end(kAll));
  const Augmented once = apply(all, x, 1);
  const Augmented again = apply(all, x, 1);
  EXPECT_TRUE(at::equal(once.spectrograms, again.spectrograms));
  EXPECT_TRUE(at::equal(once.permutation, again.permutation));
  EXPECT_EQ(once.weight, again.weight);
  EXPECT_FALSE(at::equal(once.spectrograms, apply(all, x, 2).spectrograms));
  EXPECT_NE(once.weight, apply(all, x, 2).weight);
}

TEST(Augment, WorksOnAnyShape) {
  std::vector<AugmentOptions> all(std::begin(kAll), std::end(kAll));
  all.push_back(RandomCropOptions{.frames = 3});
  for (const Shape& shape : kShapes) {
    const at::Tensor changed = apply(all, noise_tensor(shape, 1), 1).spectrograms;
    EXPECT_EQ(changed.sizes(), (std::vector<int64_t>{shape[0], shape[1], shape[2], 3}));
    EXPECT_TRUE(changed.isfinite().all().item<bool>()) << name(shape);
  }
}

std::string rejected(const std::vector<AugmentOptions>& options) {
  return rejected_parameter([&] { check_augmentations(options); });
}

TEST(Augment, RejectsOptionsOutOfRange) {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  const char* names[] = {"TimeShift", "TimeStretch", "FrequencyScale", "FrequencyShift",    "Gain",
                         "Noise",     "SpecAugment", "Mixup",          "FrequencyMixStyle", "RandomFrequencyResponse"};
  for (size_t i = 0; i < std::size(kAll); ++i) {
    EXPECT_EQ(rejected({kAll[i]}), "(no error)");
    for (const double probability : {-0.1, 1.1, nan})
      EXPECT_EQ(rejected({with(kAll[i], probability)}), std::string(names[i]) + ".probability");
  }
  for (const double value : {0.99, -1.0, nan, infinity}) {
    EXPECT_EQ(rejected({TimeStretchOptions{.max_factor = value}}), "TimeStretch.max_factor");
    EXPECT_EQ(rejected({FrequencyScaleOptions{.max_factor = value}}), "FrequencyScale.max_factor");
  }
  for (const double value : {-0.1, nan, infinity}) {
    EXPECT_EQ(rejected({FrequencyShiftOptions{.max_bands = value}}), "FrequencyShift.max_bands");
    EXPECT_EQ(rejected({GainOptions{.max_gain = value}}), "Gain.max_gain");
    EXPECT_EQ(rejected({GainOptions{.max_offset = value}}), "Gain.max_offset");
    EXPECT_EQ(rejected({NoiseOptions{.std = value}}), "Noise.std");
    EXPECT_EQ(rejected({RandomFrequencyResponseOptions{.max_offset = value}}), "RandomFrequencyResponse.max_offset");
    EXPECT_EQ(rejected({MixupOptions{.alpha = value}}), "Mixup.alpha");
    EXPECT_EQ(rejected({FrequencyMixStyleOptions{.alpha = value}}), "FrequencyMixStyle.alpha");
  }
  EXPECT_EQ(rejected({MixupOptions{.alpha = 0}}), "Mixup.alpha");
  EXPECT_EQ(rejected({RandomCropOptions{.frames = 0}}), "RandomCrop.frames");
  EXPECT_EQ(rejected({SpecAugmentOptions{.num_time_masks = -1}}), "SpecAugment.num_time_masks");
  EXPECT_EQ(rejected({SpecAugmentOptions{.max_time_frames = -1}}), "SpecAugment.max_time_frames");
  EXPECT_EQ(rejected({SpecAugmentOptions{.num_frequency_masks = -1}}), "SpecAugment.num_frequency_masks");
  EXPECT_EQ(rejected({SpecAugmentOptions{.max_bands = -1}}), "SpecAugment.max_bands");
  EXPECT_EQ(rejected({SpecAugmentOptions{.value = nan}}), "SpecAugment.value");
  EXPECT_EQ(rejected({RandomFrequencyResponseOptions{.num_points = 1}}), "RandomFrequencyResponse.num_points");
  EXPECT_EQ(rejected({MixupOptions{}, GainOptions{}, MixupOptions{}}), "augment");
}

TEST(Augment, RejectsOtherShapes) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{3, 4, 5}, std::vector<int64_t>{0, 1, 4, 5}})
    EXPECT_EQ(rejected_parameter([&] { apply({GainOptions{}}, at::zeros(shape), 1); }), "spectrograms");
}

}  // namespace
}  // namespace siamaudio

#include "score/replacement.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <utility>

#include "base/choices.h"
#include "base/errors.h"
#include "base/random.h"

namespace siamaudio {
namespace {

using Plane = std::span<const float>;  // (height, width) of one channel

struct Sides {
  size_t height;
  size_t width;
};

double mean_of(Plane plane) {
  double sum = 0;
  for (const float value : plane) sum += value;
  return sum / static_cast<double>(plane.size());
}

double deviation_of(Plane plane, double mean) {
  double sum = 0;
  for (const float value : plane) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(plane.size()));
}

/// Standard normal, by Box and Muller.
std::vector<float> normal_noise(size_t size, uint64_t seed) {
  Random random(seed);
  const auto uniform = [&] {  // in (0, 1]
    constexpr int64_t kRange = int64_t{1} << 53;
    return static_cast<double>(random.below(kRange) + 1) / static_cast<double>(kRange);
  };
  std::vector<float> values(size);
  for (float& value : values)
    value = static_cast<float>(std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::numbers::pi * uniform()));
  return values;
}

/// Mean of the pixels that touch a segment's sides from outside, each counted once a side; `mean` where there is none.
std::vector<float> means_around(Plane plane, std::span<const int64_t> segments, const Sides& sides, double mean) {
  int64_t num_segments = 0;
  for (const int64_t segment : segments) num_segments = std::max(num_segments, segment + 1);
  std::vector<double> sums(static_cast<size_t>(num_segments));
  std::vector<int64_t> counts(sums.size());
  const auto touch = [&](size_t a, size_t b) {
    if (segments[a] == segments[b]) return;
    for (const auto& [own, other] : {std::pair{a, b}, std::pair{b, a}}) {
      sums[static_cast<size_t>(segments[own])] += plane[other];
      ++counts[static_cast<size_t>(segments[own])];
    }
  };
  for (size_t row = 0; row < sides.height; ++row) {
    for (size_t column = 0; column < sides.width; ++column) {
      const size_t pixel = row * sides.width + column;
      if (column + 1 < sides.width) touch(pixel, pixel + 1);
      if (row + 1 < sides.height) touch(pixel, pixel + sides.width);
    }
  }
  std::vector<float> means(sums.size());
  for (size_t i = 0; i < means.size(); ++i)
    means[i] = static_cast<float>(counts[i] == 0 ? mean : sums[i] / static_cast<double>(counts[i]));
  return means;
}

}  // namespace

Replacement parse_replacement(const std::string& name) {
  constexpr Choices<Replacement, 4> kReplacements{{{"silence", Replacement::kSilence},
                                                   {"mean", Replacement::kMean},
                                                   {"noise", Replacement::kNoise},
                                                   {"neighbour", Replacement::kNeighbour}}};
  return parse_choice("replacement", name, kReplacements);
}

at::Tensor replacement_values(const at::Tensor& spectrograms, const at::Tensor& segments, Replacement replacement,
                              const std::vector<float>& levels, uint64_t seed) {
  const at::Tensor x = spectrograms.contiguous();
  const at::Tensor labels = segments.contiguous();
  const Sides sides{.height = static_cast<size_t>(x.size(2)), .width = static_cast<size_t>(x.size(3))};
  const size_t size = sides.height * sides.width;
  const auto num_channels = static_cast<size_t>(x.size(1));
  const auto num_clips = static_cast<size_t>(x.size(0));
  if (replacement == Replacement::kSilence && levels.size() != num_clips)
    throw ParameterError("levels", std::to_string(levels.size()) + " of them", "one for each clip");
  std::vector<float> noise;
  if (replacement == Replacement::kNoise) noise = normal_noise(num_channels * size, seed);

  at::Tensor out = at::empty(x.sizes(), at::kFloat);
  for (size_t clip = 0; clip < num_clips; ++clip) {
    const std::span own(labels.const_data_ptr<int64_t>() + clip * size, size);
    for (size_t channel = 0; channel < num_channels; ++channel) {
      const size_t start = (clip * num_channels + channel) * size;
      const Plane plane(x.const_data_ptr<float>() + start, size);
      const std::span values(out.mutable_data_ptr<float>() + start, size);
      const double mean = mean_of(plane);
      switch (replacement) {
        case Replacement::kSilence:
          std::ranges::fill(values, levels[clip]);
          break;
        case Replacement::kMean:
          std::ranges::fill(values, static_cast<float>(mean));
          break;
        case Replacement::kNoise: {
          const double deviation = deviation_of(plane, mean);
          for (size_t i = 0; i < size; ++i)
            values[i] = static_cast<float>(mean + deviation * noise[channel * size + i]);
          break;
        }
        case Replacement::kNeighbour: {
          const std::vector<float> means = means_around(plane, own, sides, mean);
          for (size_t i = 0; i < size; ++i) values[i] = means[static_cast<size_t>(own[i])];
          break;
        }
      }
    }
  }
  return out;
}

}  // namespace siamaudio

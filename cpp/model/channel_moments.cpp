#include "model/channel_moments.h"

#include <algorithm>

#include "model/parallel_sum.h"

namespace siamaudio {
namespace {

/// What rounding left below zero is zero; NaN stays.
double not_negative(double variance) { return variance < 0 ? 0 : variance; }

}  // namespace

Moments channel_moments(const float* values, int64_t num_pixels, int64_t channels, const Kernels& kernels) {
  const auto size = static_cast<size_t>(channels);
  // Sums about a value near the mean keep their digits: the mean of the first pixels.
  const int64_t num_first = std::min<int64_t>(num_pixels, 64);
  std::vector<float> origin(size);
  std::vector<double> first(2 * size);
  kernels.norm_pool.sum_moments(values, channels, origin.data(), 0, num_first, first.data());
  for (size_t c = 0; c < size; ++c) origin[c] = static_cast<float>(first[c] / static_cast<double>(num_first));

  const std::vector<double> sums =
      parallel_sum(num_pixels, 2 * channels, [&](int64_t begin, int64_t end, double* part) {
        kernels.norm_pool.sum_moments(values, channels, origin.data(), begin, end, part);
      });
  Moments moments{.mean = std::vector<double>(size), .variance = std::vector<double>(size)};
  const auto n = static_cast<double>(num_pixels);
  for (size_t c = 0; c < size; ++c) {
    const double shift = sums[c] / n;
    moments.mean[c] = origin[c] + shift;
    moments.variance[c] = not_negative(sums[size + c] / n - shift * shift);
  }
  return moments;
}

Moments total_moments(const float* values, int64_t count, const Kernels& kernels) {
  // The lanes' moments, then theirs and those of the rest together (Chan, Golub and LeVeque 1979).
  const int64_t lanes = kernels.num_lanes;
  double mean = 0;
  double squares = 0;  // Σ (x - mean)²
  double so_far = 0;
  const auto merge = [&](double other_mean, double other_squares, double other_count) {
    const double all = so_far + other_count;
    const double step = other_mean - mean;
    mean += step * other_count / all;
    squares += other_squares + step * step * so_far * other_count / all;
    so_far = all;
  };
  if (const int64_t num_pixels = count / lanes; num_pixels > 0) {
    const Moments moments = channel_moments(values, num_pixels, lanes, kernels);
    const auto n = static_cast<double>(num_pixels);
    for (size_t lane = 0; lane < moments.mean.size(); ++lane) merge(moments.mean[lane], n * moments.variance[lane], n);
  }
  for (int64_t i = count - count % lanes; i < count; ++i) merge(values[i], 0, 1);
  return {.mean = {mean}, .variance = {not_negative(squares / static_cast<double>(count))}};
}

}  // namespace siamaudio

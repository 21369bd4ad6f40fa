// What follows a convolution, batch norm, ReLU, max pooling and dropout, in two passes over its output on the way there
// and two on the way back.
//
// With y the convolution's output, for each channel a scale s and a shift b, and a pool P of 1 or 2 x 2 positions:
//
//   out = k max(0, max over i in P of (s y_i + b)),   k = 1 / (1 - rate) with probability 1 - rate, else 0
//
// Batch norm over the n positions of a channel, with their mean m and variance v, and σ = sqrt(v + ε), is s = γ / σ and
// b = β - s m; no batch norm is s = 1 and b = 0. Maximum and ReLU commute, and the maximum is taken of what is
// normalised, so a negative γ needs no case of its own. Kept for the way back: which position of the pool was chosen
// (or that none was, where the result is zero), and y there.
//
// On the way back let δ = k g at the chosen position of each pool and 0 elsewhere. Then
//
//   dβ = Σ δ,   dγ = Σ δ (y - m) / σ,   dy = s δ - s dβ / n - s dγ / (n σ) (y - m)
//
// (Ioffe and Szegedy 2015): sums over the pooled positions only, and one pass that writes dy over y.
//
// As in the separate layers a NaN is chosen over every number and passes the ReLU.
#pragma once

#include <cstdint>

namespace siamaudio {

inline constexpr uint8_t kNoneChosen = 4;  ///< in the place of a position 0 to 3 (row by row) of a pool

/// (clips, height, width, channels), and how it is pooled; a rest at the end of a side is left out.
struct PooledMap {
  int64_t clips;
  int64_t height;
  int64_t width;
  int64_t channels;
  int64_t pool_size;  ///< positions of a side: 1 or 2

  int64_t pooled_height() const { return height / pool_size; }
  int64_t pooled_width() const { return width / pool_size; }
};

struct PoolForward {
  PooledMap map;
  const float* y;
  const float* scale;  ///< s (channels,)
  const float* shift;  ///< b (channels,)
  float* out;          ///< (clips, pooled height, pooled width, channels)
  uint8_t* chosen;     ///< of the shape of out; null in inference
  float* chosen_y;     ///< of the shape of out; null in inference, and where the pools have one position
  double dropout;      ///< rate, 0 in inference
  uint64_t dropout_seed;
};

struct PoolGradientSums {
  const float* gradient;  ///< of out
  const uint8_t* chosen;
  const float* chosen_y;
  const float* mean;  ///< m (channels,)
  int64_t channels;
};

struct PoolBackward {
  PooledMap map;
  const float* gradient;  ///< of out
  const uint8_t* chosen;
  const float* mean;      ///< m (channels,)
  const float* gain;      ///< s / (1 - rate) (channels,)
  const float* constant;  ///< - s dβ / n (channels,); null without batch norm
  const float* slope;     ///< - s dγ / (n σ) (channels,); null without batch norm
  float* y;               ///< becomes dy
};

struct NormPoolKernels {
  /// Adds Σ (y - origin) and Σ (y - origin)² over the pixels [begin, end) of y to sums (2, channels). An origin
  /// (channels,) near the mean keeps the digits.
  void (*sum_moments)(const float* y, int64_t channels, const float* origin, int64_t begin, int64_t end, double* sums);

  /// Rows [begin, end) of the clips' pooled rows.
  void (*forward)(const PoolForward& pool, int64_t begin, int64_t end);

  /// Adds Σ g and Σ g (y - m) over the chosen ones of the pooled pixels [begin, end) to sums (2, channels).
  void (*sum_gradients)(const PoolGradientSums& pool, int64_t begin, int64_t end, double* sums);

  /// Pools [begin, end) down the clips, each of pool_size rows; the last of a clip may be a rest that no pool has.
  /// There are clips * ceil(height / pool_size).
  void (*backward)(const PoolBackward& pool, int64_t begin, int64_t end);
};

}  // namespace siamaudio

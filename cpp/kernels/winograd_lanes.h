// Winograd's algorithm (winograd.h) for W lanes and K x K kernels, a block of tiles at a time.
//
// A block's inputs in all points, V, lie point by point in (tiles, channels). They are multiplied by U, which lies
// point by point in panels of as many output channels as the sums of small_gemm.h hold, and each panel in (input
// channels, output channels), so that it is read from end to end. The products take the place of V, row by row.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/small_gemm.h"
#include "kernels/winograd.h"
#include "kernels/winograd_points.h"
#include "kernels/winograd_transforms.h"
#include "kernels/winograd_weights.h"
#include "simd/lanes.h"

namespace siamaudio {

template <int W, int K>
struct LaneWinograd {
  using Number = Lane<W>;
  using Points = WinogradPoints<K>;
  using Transforms = WinogradTransforms<W, K>;
  using Weights = WinogradWeights<W, K>;
  static constexpr int kSide = Points::kSide;
  static constexpr int kOutputs = Points::kOutputs;
  static constexpr int kNumPoints = kSide * kSide;
  static constexpr int64_t kPanel = int64_t{kGemmRegisters<W>} * W;  ///< output channels

  static constexpr int64_t kConvolveFloats = 150'000;  ///< of a block's V: most of a second-level cache
  static constexpr int64_t kGradientFloats = 600'000;  ///< of V and Z: longer sums need not return to memory as often
  static constexpr int64_t kMostTiles = 96;
  /// Between the points' matrices, which else would lie in the same sets of a cache.
  static constexpr int64_t kGap = 16;

  static int64_t weight_size(int64_t in_channels, int64_t out_channels) {
    return kNumPoints * point_size(in_channels, out_channels);
  }

  static void transform_weight(const WinogradWeight<const float>& weight, int64_t first, int64_t last,
                               float* transformed) {
    const int64_t point_stride = point_size(weight.in_channels, weight.out_channels);
    for (int64_t out = 0; out < weight.out_channels; out += Weights::kLanes) {
      const int64_t panel = out / kPanel * kPanel;
      const int64_t panel_width = smaller(kPanel, weight.out_channels - panel);
      float* target = transformed + weight.in_channels * panel + (out - panel);
      for (int64_t in = first; in < last; ++in)
        Weights::transform(weight, in, out, target + in * panel_width, point_stride);
    }
  }

  static int64_t convolve_tiles(const WinogradShape& shape, int64_t num_threads) {
    const int64_t most = block_tiles(kConvolveFloats / (kNumPoints * width(shape)));
    const int64_t share = quotient(num_tiles(shape), num_threads);
    return round_to_rows(quotient(share, quotient(share, most)));
  }

  static int64_t convolve_scratch(const WinogradShape& shape, int64_t num_tiles) {
    const int64_t rows = kGemmRows * shape.in_channels;
    return kNumPoints * (width(shape) * round_to_rows(num_tiles) + kGap) + rows + kNumPoints * shape.in_channels;
  }

  static bool convolve(const WinogradConvolution& convolution, int64_t first, int64_t last, float* scratch) {
    const WinogradShape& shape = convolution.shape;
    const int64_t stride = width(shape);
    const int64_t num_rows = round_to_rows(last - first);
    const int64_t point_stride = stride * num_rows + kGap;
    float* points = scratch;
    float* rows = points + kNumPoints * point_stride;
    float* window = rows + kGemmRows * shape.in_channels;

    transform_inputs(shape, convolution.input, first, last, window, points, stride, point_stride);
    for (int64_t row = last - first; row < num_rows; ++row)
      for (int point = 0; point < kNumPoints; ++point)
        fill_zeros(points + point * point_stride + row * stride, shape.in_channels);

    const float* weight = convolution.weight;
    for (int point = 0; point < kNumPoints; ++point, weight += point_size(shape.in_channels, shape.out_channels))
      for (int64_t row = 0; row < num_rows; row += kGemmRows)
        multiply_rows(shape, points + point * point_stride + row * stride, stride, weight, rows);

    Number check(0);
    for (int64_t tile = first; tile < last; ++tile) {
      const Place place = place_of(shape, tile);
      const int64_t offset = (place.clip * shape.out_height + place.row) * shape.out_width + place.column;
      Transforms::output_tile(points + (tile - first) * stride, point_stride, shape.out_channels, convolution.bias,
                              convolution.output + offset * shape.out_channels, shape.out_width * shape.out_channels,
                              smaller(kOutputs, shape.out_height - place.row),
                              smaller(kOutputs, shape.out_width - place.column), check);
    }
    return is_zero(check);
  }

  static int64_t gradient_scratch(const WinogradShape& shape) {
    return kNumPoints * (gradient_tiles(shape) * (shape.in_channels + shape.out_channels) + 2 * kGap) +
           kNumPoints * width(shape) + shape.out_channels;
  }

  static void sum_weight_gradient(const WinogradWeightGradient& gradient, int64_t first, int64_t last, float* scratch,
                                  const WinogradSums& sums) {
    const WinogradShape& shape = gradient.shape;
    const int64_t most = gradient_tiles(shape);
    const int64_t in_stride = shape.in_channels * most + kGap;
    const int64_t out_stride = shape.out_channels * most + kGap;
    float* inputs = scratch;
    float* outputs = inputs + kNumPoints * in_stride;
    float* window = outputs + kNumPoints * out_stride;
    float* bias = window + kNumPoints * width(shape);

    for (int64_t out = 0; out < shape.out_channels; ++out) sums.bias[out] = 0;
    if (first == last) fill_zeros(sums.weight, weight_size(shape.in_channels, shape.out_channels));
    for (int64_t begin = first; begin < last; begin += most) {
      const int64_t end = smaller(begin + most, last);
      transform_inputs(shape, gradient.input, begin, end, window, inputs, shape.in_channels, in_stride);
      fill_zeros(bias, shape.out_channels);
      for (int64_t tile = begin; tile < end; ++tile) {
        const Place place = place_of(shape, tile);
        const Window from = window_at<kOutputs>(gradient.output_gradient, place.clip, shape.out_height, shape.out_width,
                                                shape.out_channels, place.row, place.column, window);
        Transforms::output_gradient_tile(from.data, from.row_stride, shape.out_channels,
                                         outputs + (tile - begin) * shape.out_channels, out_stride, bias);
      }
      for (int64_t out = 0; out < shape.out_channels; ++out) sums.bias[out] += static_cast<double>(bias[out]);
      float* weight = sums.weight;
      for (int point = 0; point < kNumPoints; ++point, weight += point_size(shape.in_channels, shape.out_channels))
        add_products(shape, inputs + point * in_stride, outputs + point * out_stride, end - begin, weight,
                     begin > first);
    }
  }

  static bool finish_weight_gradient(const float* sums, int64_t num_parts, int64_t first, int64_t last,
                                     const WinogradWeight<float>& gradient) {
    const int64_t point_stride = point_size(gradient.in_channels, gradient.out_channels);
    double check = 0;
    for (int64_t out = 0; out < gradient.out_channels; out += Weights::kLanes)
      for (int64_t in = first; in < last; ++in)
        check += Weights::finish_gradient(sums + in * gradient.out_channels + out, num_parts, kNumPoints * point_stride,
                                          point_stride, in, out, gradient);
    return check == 0;
  }

 private:
  /// Where a tile's outputs begin.
  struct Place {
    int64_t clip;
    int64_t row;
    int64_t column;
  };

  /// Part of a map, or a copy of it with zeros around.
  struct Window {
    const float* data;
    int64_t row_stride;
  };

  static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
  static int64_t quotient(int64_t a, int64_t b) { return (a + b - 1) / b; }  // rounded up
  static int64_t round_to_rows(int64_t tiles) { return quotient(tiles, kGemmRows) * kGemmRows; }
  static int64_t num_tiles(const WinogradShape& shape) {
    return shape.num_clips * shape.tiles_down * shape.tiles_across;
  }
  /// Of U in one point, as of D.
  static int64_t point_size(int64_t in_channels, int64_t out_channels) { return in_channels * out_channels + kGap; }
  /// Channels that V has room for.
  static int64_t width(const WinogradShape& shape) {
    return shape.in_channels > shape.out_channels ? shape.in_channels : shape.out_channels;
  }
  /// Whole rows of small_gemm.h, one at least.
  static int64_t block_tiles(int64_t tiles) {
    tiles = smaller(tiles, kMostTiles) / kGemmRows * kGemmRows;
    return tiles < kGemmRows ? kGemmRows : tiles;
  }
  static int64_t gradient_tiles(const WinogradShape& shape) {
    return block_tiles(kGradientFloats / (kNumPoints * (shape.in_channels + shape.out_channels)));
  }
  static void fill_zeros(float* values, int64_t count) {
    std::memset(values, 0, static_cast<size_t>(count) * sizeof(float));
  }
  static bool is_zero(Number number) {
    bool all = true;
    for (int lane = 0; lane < W; ++lane) all = all && number.v[lane] == 0.0F;
    return all;
  }

  static Place place_of(const WinogradShape& shape, int64_t tile) {
    return {.clip = tile / (shape.tiles_down * shape.tiles_across),
            .row = tile / shape.tiles_across % shape.tiles_down * kOutputs,
            .column = tile % shape.tiles_across * kOutputs};
  }

  /// Side x Side positions of a map, the first being (row, column), which may lie outside; `copy` has room for them.
  template <int Side>
  static Window window_at(const float* maps, int64_t clip, int64_t height, int64_t width, int64_t channels, int64_t row,
                          int64_t column, float* copy) {
    const float* map = maps + clip * height * width * channels;
    if (row >= 0 && column >= 0 && row + Side <= height && column + Side <= width)
      return {.data = map + (row * width + column) * channels, .row_stride = width * channels};
    float* target = copy;
    for (int64_t y = row; y < row + Side; ++y)
      for (int64_t x = column; x < column + Side; ++x, target += channels) {
        if (y >= 0 && x >= 0 && y < height && x < width)
          std::memcpy(target, map + (y * width + x) * channels, static_cast<size_t>(channels) * sizeof(float));
        else
          fill_zeros(target, channels);
      }
    return {.data = copy, .row_stride = Side * channels};
  }

  /// V of tiles [first, last).
  static void transform_inputs(const WinogradShape& shape, const float* maps, int64_t first, int64_t last,
                               float* window, float* points, int64_t stride, int64_t point_stride) {
    for (int64_t tile = first; tile < last; ++tile, points += stride) {
      const Place place = place_of(shape, tile);
      const Window from = window_at<kSide>(maps, place.clip, shape.height, shape.width, shape.in_channels,
                                           place.row - shape.top, place.column - shape.left, window);
      Transforms::input_tile(from.data, from.row_stride, shape.in_channels, points, point_stride);
    }
  }

  /// Replaces some rows of V in one point by their products with U. `copy` has room for the rows.
  static void multiply_rows(const WinogradShape& shape, float* values, int64_t stride, const float* weight,
                            float* copy) {
    const float* left = values;
    int64_t left_stride = stride;
    if (shape.out_channels > kPanel) {  // the products of the first panel replace what the next ones need
      for (int row = 0; row < kGemmRows; ++row)
        std::memcpy(copy + row * shape.in_channels, values + row * stride,
                    static_cast<size_t>(shape.in_channels) * sizeof(float));
      left = copy;
      left_stride = shape.in_channels;
    }
    for (int64_t panel = 0; panel < shape.out_channels; panel += kPanel) {
      const int64_t panel_width = smaller(kPanel, shape.out_channels - panel);
      multiply_columns<W, kGemmRows, GemmLeft::kRows>(panel_width / W, left, left_stride,
                                                      weight + panel * shape.in_channels, panel_width,
                                                      shape.in_channels, values + panel, stride, false);
    }
  }

  /// sums (+)= V^T Z in one point.
  static void add_products(const WinogradShape& shape, const float* inputs, const float* outputs, int64_t tiles,
                           float* sums, bool adds) {
    for (int64_t panel = 0; panel < shape.out_channels; panel += kPanel) {
      const int64_t registers = smaller(kPanel, shape.out_channels - panel) / W;
      const auto multiply = [&]<int Rows>(int64_t in) {
        multiply_columns<W, Rows, GemmLeft::kColumns>(registers, inputs + in, shape.in_channels, outputs + panel,
                                                      shape.out_channels, tiles, sums + in * shape.out_channels + panel,
                                                      shape.out_channels, adds);
      };
      int64_t in = 0;
      for (; in + kGemmRows <= shape.in_channels; in += kGemmRows) multiply.template operator()<kGemmRows>(in);
      if (shape.in_channels - in == 4) multiply.template operator()<4>(in);  // a multiple of 4 leaves 0, 2 or 4
      if (shape.in_channels - in == 2) multiply.template operator()<2>(in);
    }
  }
};

template <int W, int K>
inline constexpr WinogradKernels kLaneWinograd{
    .weight_size = LaneWinograd<W, K>::weight_size,
    .transform_weight = LaneWinograd<W, K>::transform_weight,
    .convolve_tiles = LaneWinograd<W, K>::convolve_tiles,
    .convolve_scratch = LaneWinograd<W, K>::convolve_scratch,
    .convolve = LaneWinograd<W, K>::convolve,
    .gradient_scratch = LaneWinograd<W, K>::gradient_scratch,
    .sum_weight_gradient = LaneWinograd<W, K>::sum_weight_gradient,
    .finish_weight_gradient = LaneWinograd<W, K>::finish_weight_gradient,
};

}  // namespace siamaudio

// Winograd's matrices (winograd.h) applied to the weights, in double: there are few of them, and their errors would be
// in every output.
#pragma once

#include <cstdint>

#include "kernels/winograd.h"
#include "kernels/winograd_points.h"
#include "simd/lanes.h"
#include "simd/unrolled.h"

namespace siamaudio {

template <int W, int K>
struct WinogradWeights {
  using Doubles = typename Vectors<W>::Doubles;  // NOLINT(readability-redundant-typename): clang before 16 wants it
  using Points = WinogradPoints<K>;
  static constexpr int kSide = Points::kSide;
  static constexpr int kLanes = W / 2;  ///< output channels at a time

  /// Writes G g G^T of output channels out, ..., out + kLanes - 1, point after point, `point_stride` apart.
  static void transform(const WinogradWeight<const float>& weight, int64_t in, int64_t out, float* points,
                        int64_t point_stride) {
    const float* source = weight.data + in * weight.in_stride + out * weight.out_stride;
    Doubles kernel[K][K];
    for (int row = 0; row < K; ++row)
      for (int column = 0; column < K; ++column)
        for (int lane = 0; lane < kLanes; ++lane)
          kernel[row][column][lane] = static_cast<double>(
              source[row * weight.row_stride + column * weight.column_stride + lane * weight.out_stride]);
    Doubles result[kSide][kSide];
    both_sides<false>(kernel, result);
    for (int row = 0; row < kSide; ++row)
      for (int column = 0; column < kSide; ++column, points += point_stride)
        for (int lane = 0; lane < kLanes; ++lane) points[lane] = static_cast<float>(result[row][column][lane]);
  }

  /// Writes G^T D G, D being the sum of `num_parts` that lie `part_stride` apart, their points `point_stride`. Returns
  /// 0, or NaN where one of the numbers is not finite.
  static double finish_gradient(const float* sums, int64_t num_parts, int64_t part_stride, int64_t point_stride,
                                int64_t in, int64_t out, const WinogradWeight<float>& gradient) {
    Doubles points[kSide][kSide];
    for (int row = 0; row < kSide; ++row)
      for (int column = 0; column < kSide; ++column, sums += point_stride) {
        Doubles sum{};
        for (int64_t part = 0; part < num_parts; ++part)
          for (int lane = 0; lane < kLanes; ++lane) sum[lane] += static_cast<double>(sums[part * part_stride + lane]);
        points[row][column] = sum;
      }
    Doubles kernel[K][K];
    both_sides<true>(points, kernel);
    float* target = gradient.data + in * gradient.in_stride + out * gradient.out_stride;
    double check = 0;
    for (int row = 0; row < K; ++row)
      for (int column = 0; column < K; ++column)
        for (int lane = 0; lane < kLanes; ++lane) {
          const auto value = static_cast<float>(kernel[row][column][lane]);
          target[row * gradient.row_stride + column * gradient.column_stride + lane * gradient.out_stride] = value;
          check += static_cast<double>(value) * 0;
        }
    return check;
  }

 private:
  /// to = G from G^T, or G^T from G where `IsTransposed`.
  template <bool IsTransposed, int From, int To>
  static void both_sides(const Doubles (&from)[From][From], Doubles (&to)[To][To]) {
    Doubles half[To][From];
    for (int column = 0; column < From; ++column)
      unrolled<To>([&]<int I>() __attribute__((always_inline)) {
        Doubles sum{};
        unrolled<From>([&]<int J>() __attribute__((always_inline)) {
          constexpr double kFactor =
              IsTransposed ? kWinogradKernelMatrix<K>.rows[J][I] : kWinogradKernelMatrix<K>.rows[I][J];
          if constexpr (kFactor != 0) sum += kFactor * from[J][column];
        });
        half[I][column] = sum;
      });
    for (int row = 0; row < To; ++row)
      unrolled<To>([&]<int I>() __attribute__((always_inline)) {
        Doubles sum{};
        unrolled<From>([&]<int J>() __attribute__((always_inline)) {
          constexpr double kFactor =
              IsTransposed ? kWinogradKernelMatrix<K>.rows[J][I] : kWinogradKernelMatrix<K>.rows[I][J];
          if constexpr (kFactor != 0) sum += kFactor * half[row][J];
        });
        to[row][I] = sum;
      });
  }
};

}  // namespace siamaudio

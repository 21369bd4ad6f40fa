// The matrices of Winograd's algorithm (winograd.h) applied to one tile, W channels at a time.
//
// Each is applied to columns first and then to rows, as a tree of sums and products over the pairs of points.
#pragma once

#include <cstdint>

#include "kernels/winograd_points.h"
#include "simd/lanes.h"
#include "simd/unrolled.h"

namespace siamaudio {

template <int W, int K>
struct WinogradTransforms {
  using Number = Lane<W>;
  using Points = WinogradPoints<K>;
  static constexpr int kSide = Points::kSide;
  static constexpr int kOutputs = Points::kOutputs;
  static constexpr int kNumPairs = Points::kNumPairs;

  /// t = B^T d, both of kSide numbers.
  [[gnu::always_inline]] static void input(const Number* d, Number* t) {
    t[0] = even_sum<-1>(d);
    t[kSide - 1] = even_sum<-1>(d + 1);
    unrolled<kNumPairs>([&]<int I>() __attribute__((always_inline)) {
      const Number even = even_sum<I>(d + 2);
      constexpr double kPoint = Points::pair(I);
      const Number odd = Number(kPoint) * even_sum<I>(d + 1);
      t[1 + 2 * I] = even + odd;
      t[2 + 2 * I] = even - odd;
    });
  }

  /// y = A^T m: kOutputs numbers from kSide.
  [[gnu::always_inline]] static void output(const Number* m, Number* y) {
    unrolled<kOutputs>([&]<int R>() __attribute__((always_inline)) {
      if constexpr (R == 0) y[0] = m[0];
      if constexpr (R == kOutputs - 1) y[R] = m[kSide - 1];
      unrolled<kNumPairs>([&]<int I>() __attribute__((always_inline)) {
        const Number pair = R % 2 == 0 ? m[1 + 2 * I] + m[2 + 2 * I] : m[1 + 2 * I] - m[2 + 2 * I];
        constexpr double kPower = Points::power(I, R);
        if constexpr (I == 0 && R > 0 && R < kOutputs - 1)
          y[R] = Number(kPower) * pair;
        else
          y[R] += Number(kPower) * pair;
      });
    });
  }

  /// t = A z: kSide numbers from kOutputs.
  [[gnu::always_inline]] static void output_gradient(const Number* z, Number* t) {
    t[0] = z[0];
    t[kSide - 1] = z[3];
    unrolled<kNumPairs>([&]<int I>() __attribute__((always_inline)) {
      constexpr double kPoint = Points::pair(I);
      constexpr double kSquare = Points::power(I, 2);
      const Number even = z[0] + Number(kSquare) * z[2];
      const Number odd = Number(kPoint) * (z[1] + Number(kSquare) * z[3]);
      t[1 + 2 * I] = even + odd;
      t[2 + 2 * I] = even - odd;
    });
  }

  /// Writes B^T d B of a tile whose first position is at `tile`, point p of channel c to points[p * point_stride + c].
  static void input_tile(const float* tile, int64_t row_stride, int64_t channels, float* points, int64_t point_stride) {
    for (int64_t c = 0; c < channels; c += W) {
      Number rows[kSide][kSide];
      for (int column = 0; column < kSide; ++column) {
        // The tile to the right begins kOutputs columns further: its last ones have not been read yet.
        const int64_t ahead = column < kSide - kOutputs ? 0 : kOutputs * channels;
        transform_column<kSide, input>(tile + column * channels + c, row_stride, ahead, rows, column);
      }
      for (int row = 0; row < kSide; ++row)
        store_row<input>(rows[row], points + row * kSide * point_stride + c, point_stride);
    }
  }

  /// Writes A z A^T likewise, and adds the tile's numbers to `sums`, one for each channel.
  static void output_gradient_tile(const float* tile, int64_t row_stride, int64_t channels, float* points,
                                   int64_t point_stride, float* sums) {
    for (int64_t c = 0; c < channels; c += W) {
      Number rows[kSide][kOutputs];
      Number sum = Number::load(sums + c);
      for (int column = 0; column < kOutputs; ++column)
        sum += transform_column<kOutputs, output_gradient>(tile + column * channels + c, row_stride,
                                                           kOutputs * channels, rows, column);
      for (int row = 0; row < kSide; ++row)
        store_row<output_gradient>(rows[row], points + row * kSide * point_stride + c, point_stride);
      sum.store(sums + c);
    }
  }

  /// Writes A^T m A + bias for the first `height` x `width` outputs of a tile; adds 0 to `check`, or NaN where one of
  /// them is not finite.
  static void output_tile(const float* points, int64_t point_stride, int64_t channels, const float* bias, float* tile,
                          int64_t row_stride, int64_t height, int64_t width, Number& check) {
    for (int64_t c = 0; c < channels; c += W) {
      Number rows[kOutputs][kSide];
      for (int column = 0; column < kSide; ++column)
        transform_column<kSide, output, kOutputs>(points + column * point_stride + c, kSide * point_stride, W, rows,
                                                  column);
      const Number shift = bias == nullptr ? Number(0) : Number::load(bias + c);
      for (int64_t row = 0; row < height; ++row) {
        Number outputs[kOutputs];
        output(rows[row], outputs);
        for (int64_t column = 0; column < width; ++column) {
          const Number result = outputs[column] + shift;
          result.store(tile + row * row_stride + column * channels + c);
          check += result * Number(0);
        }
      }
    }
  }

 private:
  /// The sum of numbers[2 k] times the coefficient of s^k in Q, in Q_I where I is a pair.
  template <int I>
  [[gnu::always_inline]] static Number even_sum(const Number* numbers) {
    constexpr int kDegree = I < 0 ? kNumPairs : kNumPairs - 1;  // its coefficient is 1
    Number sum = numbers[2 * kDegree];
    unrolled<kDegree>([&]<int J>() __attribute__((always_inline)) {
      constexpr double kCoefficient = Points::coefficient(kDegree - 1 - J, I);
      sum += Number(kCoefficient) * numbers[2 * (kDegree - 1 - J)];
    });
    return sum;
  }

  /// Transforms a column of `From` numbers, `stride` apart, into one of `rows`, and brings those that lie `ahead` of
  /// them, which a later call reads, into the cache: reading is what the transforms wait for. Returns the numbers' sum.
  template <int From, auto Transform, int To = kSide, int Columns>
  [[gnu::always_inline]] static Number transform_column(const float* values, int64_t stride, int64_t ahead,
                                                        Number (&rows)[To][Columns], int column) {
    Number from[From];
    Number to[To];
    Number sum(0);
    unrolled<From>([&]<int I>() __attribute__((always_inline)) {
      from[I] = Number::load(values + I * stride);
      if (ahead > 0) prefetch(values + I * stride, ahead);
      sum += from[I];
    });
    Transform(from, to);
    unrolled<To>([&]<int I>() __attribute__((always_inline)) { rows[I][column] = to[I]; });
    return sum;
  }

  /// What lies `ahead` of a number may be outside all memory: nothing is read, and no pointer made.
  [[gnu::always_inline]] static void prefetch(const float* number, int64_t ahead) {
    const auto address = reinterpret_cast<uintptr_t>(number) + static_cast<uintptr_t>(ahead) * sizeof(float);
    __builtin_prefetch(reinterpret_cast<const void*>(address));  // NOLINT(performance-no-int-to-ptr)
  }

  /// Transforms a row into kSide points and writes them `stride` apart.
  template <auto Transform>
  [[gnu::always_inline]] static void store_row(const Number* row, float* points, int64_t stride) {
    Number to[kSide];
    Transform(row, to);
    unrolled<kSide>([&]<int I>() __attribute__((always_inline)) { to[I].store(points + I * stride); });
  }
};

}  // namespace siamaudio

// The product of a few rows by a few registers of columns, all sums held in registers: what larger products of matrices
// are made of.
#pragma once

#include <cstdint>

#include "simd/lanes.h"
#include "simd/unrolled.h"

namespace siamaudio {

/// Rows and registers of columns whose sums fit the registers, with one left for a number of the left matrix and some
/// for a row of the right one: 24 of 32, or 12 of 16.
inline constexpr int kGemmRows = 6;
template <int W>
inline constexpr int kGemmRegisters = W == 16 ? 4 : 2;

/// The left matrix, rows x depth, as it lies in memory: row by row, or column by column.
enum class GemmLeft { kRows, kColumns };

/// c = a b, or c += a b where `adds`; a is Rows x depth, b depth x (Registers * W), strides are from one row, of a
/// column by column from one column, to the next. All of a is read before c is written. The products are summed before
/// c is added: a sum over many calls then has the rounding errors of two short sums instead of one long one.
template <int W, int Rows, int Registers, GemmLeft Left>
void multiply_block(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t depth, float* c,
                    int64_t c_stride, bool adds) {
  using Number = Lane<W>;
  Number sums[Rows][Registers];
  unrolled<Rows>([&]<int R>() __attribute__((always_inline)) {
    unrolled<Registers>([&]<int V>() __attribute__((always_inline)) { sums[R][V] = Number(0); });
  });
  for (int64_t k = 0; k < depth; ++k, b += b_stride) {
    Number columns[Registers];
    unrolled<Registers>([&]<int V>() __attribute__((always_inline)) { columns[V] = Number::load(b + V * W); });
    unrolled<Rows>([&]<int R>() __attribute__((always_inline)) {
      const Number left(Left == GemmLeft::kRows ? a[R * a_stride + k] : a[k * a_stride + R]);
      unrolled<Registers>([&]<int V>() __attribute__((always_inline)) { sums[R][V] += left * columns[V]; });
    });
  }
  unrolled<Rows>([&]<int R>() __attribute__((always_inline)) {
    unrolled<Registers>([&]<int V>() __attribute__((always_inline)) {
      float* target = c + R * c_stride + V * W;
      const Number sum = adds ? Number::load(target) + sums[R][V] : sums[R][V];
      sum.store(target);
    });
  });
}

/// multiply_block with `registers`, 1 to kGemmRegisters<W>, of them.
template <int W, int Rows, GemmLeft Left>
void multiply_columns(int64_t registers, const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                      int64_t depth, float* c, int64_t c_stride, bool adds) {
  unrolled<kGemmRegisters<W>>([&]<int V>() __attribute__((always_inline)) {
    if (registers == V + 1) multiply_block<W, Rows, V + 1, Left>(a, a_stride, b, b_stride, depth, c, c_stride, adds);
  });
}

}  // namespace siamaudio

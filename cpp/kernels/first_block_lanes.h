// The one implementation of FirstBlockKernels, for W channels at once (sum_patches: for W positions).
#pragma once

#include <cstdint>

#include "kernels/first_block.h"
#include "kernels/pool_lanes.h"
#include "simd/lanes.h"

namespace siamaudio {

template <int W>
struct FirstBlockLanes : private PoolLanes<W> {
  using Number = Lane<W>;
  // NOLINTBEGIN(readability-redundant-typename): clang before 16 wants it
  using Integers = typename Vectors<W>::Integers;
  using Dropout = typename PoolLanes<W>::Dropout;
  // NOLINTEND(readability-redundant-typename)

  static constexpr FirstBlockKernels kernels() {
    return {.sum_patches = sum_patches, .forward = forward, .sum_gradients = sum_gradients};
  }

 private:
  using PoolLanes<W>::add_to;
  using PoolLanes<W>::choose;
  using PoolLanes<W>::load_bytes;
  using PoolLanes<W>::select;
  using PoolLanes<W>::store_bytes;

  // Accumulators stay in registers: 32 of them for 16 lanes, else 16.
  static constexpr bool kHasManyRegisters = W == 16;

  static double total(Number sum) {
    double all = 0;
    for (int i = 0; i < W; ++i) all += static_cast<double>(sum.v[i]);
    return all;
  }

  /// A patch's product of taps (a, b) and (a + dy, b + dx) is x[i][j] x[i + dy][j + dx] at i = top + a, j = left + b,
  /// so for one row i and one displacement all taps share the products of the columns that every window has, and
  /// differ in the few at both ends.
  template <int K>
  static void sum_patches_of(const FirstBlockMap& map, const float* x, int64_t begin, int64_t end, double* sum,
                             double* products) {
    constexpr int kTaps = K * K;
    const int64_t windows_down = map.height - K + 1;
    const int64_t windows_across = map.width - K + 1;
    const int64_t middle_end = windows_across < K - 1 ? K - 1 : windows_across;  // columns [K - 1, that)
    const auto ends = [&](int b, const auto& at) {  // the columns of tap b, [b, b + windows_across), outside the middle
      double all = 0;
      for (int64_t j = b; j < K - 1 && j < b + windows_across; ++j) all += at(j);
      for (int64_t j = middle_end; j < b + windows_across; ++j) all += at(j);
      return all;
    };
    for (int64_t row = begin * map.height; row < end * map.height; ++row) {
      const int64_t i = row % map.height;
      const float* line = x + row * map.width;

      double middle_sum = 0;
      for (int64_t j = K - 1; j < middle_end; ++j) middle_sum += static_cast<double>(line[j]);
      for (int b = 0; b < K; ++b) {
        const double all = middle_sum + ends(b, [&](int64_t j) { return static_cast<double>(line[j]); });
        for (int a = 0; a < K; ++a)
          if (i >= a && i < a + windows_down) sum[a * K + b] += all;
      }

      for (int dy = 0; dy < K && i + dy < map.height; ++dy) {
        const float* other = line + dy * map.width;
        double middle[2 * K - 1];  // by dx + K - 1
        sum_middle<K>(line, other, middle_end, middle);
        for (int dx = dy == 0 ? 0 : 1 - K; dx < K; ++dx) {
          for (int b = dx < 0 ? -dx : 0; b < K && b + dx < K; ++b) {
            const double all = middle[dx + K - 1] + ends(b, [&](int64_t j) {
                                 return static_cast<double>(line[j]) * static_cast<double>(other[j + dx]);
                               });
            for (int a = 0; a + dy < K; ++a)
              if (i >= a && i < a + windows_down) products[(a * K + b) * kTaps + (a + dy) * K + b + dx] += all;
          }
        }
      }
    }
  }

  template <int K>
  static void sum_middle(const float* line, const float* other, int64_t end, double* sums) {
    Number lanes[2 * K - 1];
    for (auto& lane : lanes) lane = Number(0);
    int64_t j = K - 1;
    for (; j + W <= end; j += W) {
      const Number values = Number::load(line + j);
#pragma GCC unroll 9
      for (int d = 0; d < 2 * K - 1; ++d) lanes[d] += values * Number::load(other + j + d - (K - 1));
    }
    for (int d = 0; d < 2 * K - 1; ++d) sums[d] = total(lanes[d]);
    for (; j < end; ++j)
      for (int d = 0; d < 2 * K - 1; ++d)
        sums[d] += static_cast<double>(line[j]) * static_cast<double>(other[j + d - (K - 1)]);
  }

  static void sum_patches(const FirstBlockMap& map, const float* x, int64_t begin, int64_t end, double* sum,
                          double* products) {
    (map.kernel_size == 3 ? sum_patches_of<3> : sum_patches_of<5>)(map, x, begin, end, sum, products);
  }

  /// What is the same for all pools of a row.
  struct Row {
    const float* x;  // first line of the first pool's patches
    const float* weights;
    const float* shift;
    float* out;
    uint8_t* chosen;
    Dropout dropout;
  };

  /// P pools from pool `x` on and V times W channels from c on: 2 x 2 P positions times V registers of sums.
  template <int K, int P, int V>
  static void pools(const FirstBlockMap& map, const Row& row, int64_t x, int64_t c) {
    Number sums[2][2 * P][V];
#pragma GCC unroll 2
    for (auto& line : sums)
#pragma GCC unroll 6
      for (auto& position : line)
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) position[v] = Number::load(row.shift + c + v * W);

    for (int a = 0; a < K; ++a) {
      const float* lines = row.x + a * map.width + 2 * x;
      const float* weights = row.weights + a * K * map.channels + c;
#pragma GCC unroll 5
      for (int b = 0; b < K; ++b) {
        Number weight[V];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) weight[v] = Number::load(weights + b * map.channels + v * W);
#pragma GCC unroll 2
        for (int line = 0; line < 2; ++line)
#pragma GCC unroll 6
          for (int position = 0; position < 2 * P; ++position)
#pragma GCC unroll 2
            for (int v = 0; v < V; ++v)
              sums[line][position][v] += weight[v] * Number(lines[line * map.width + position + b]);
      }
    }

#pragma GCC unroll 3
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v)
        finish(row, sums[0][2 * p][v], sums[0][2 * p + 1][v], sums[1][2 * p][v], sums[1][2 * p + 1][v],
               (x + p) * map.channels + c + v * W);
  }

  /// Maximum, ReLU and dropout of one pool; `place` counts from the row's start.
  static void finish(const Row& row, Number largest, Number second, Number third, Number fourth, int64_t place) {
    Integers chosen{};
    choose(1, second, largest, chosen);
    choose(2, third, largest, chosen);
    choose(3, fourth, largest, chosen);
    row.dropout.apply(largest, place, chosen).store(row.out + place);
    if (row.chosen != nullptr) store_bytes(chosen, row.chosen + place);
  }

  template <int K, int P, int V>
  static void pools_of_row(const FirstBlockMap& map, const Row& row, int64_t c) {
    const int64_t width = map.pooled_width();
    int64_t x = 0;
    for (; x + P <= width; x += P) pools<K, P, V>(map, row, x, c);
    for (; x < width; ++x) pools<K, 1, V>(map, row, x, c);
  }

  template <int K>
  static void forward_of(const FirstBlockForward& block, int64_t begin, int64_t end) {
    constexpr int kRegisters = kHasManyRegisters ? 2 : 1;  // of channels
    const FirstBlockMap& map = block.map;
    const int64_t row_size = map.pooled_width() * map.channels;
    for (int64_t index = begin; index < end; ++index) {
      const int64_t line = index / map.pooled_height() * map.height + index % map.pooled_height() * 2;
      const Row row{.x = block.x + line * map.width,
                    .weights = block.weights,
                    .shift = block.shift,
                    .out = block.out + index * row_size,
                    .chosen = block.chosen == nullptr ? nullptr : block.chosen + index * row_size,
                    .dropout = Dropout(block.dropout, block.dropout_seed, index)};
      int64_t c = 0;
      for (; c + kRegisters * W <= map.channels; c += kRegisters * W) pools_of_row<K, 3, kRegisters>(map, row, c);
      for (; c < map.channels; c += W) pools_of_row<K, 3, 1>(map, row, c);
    }
  }

  static void forward(const FirstBlockForward& block, int64_t begin, int64_t end) {
    (block.map.kernel_size == 3 ? forward_of<3> : forward_of<5>)(block, begin, end);
  }

  /// The gradient at the chosen position of each pool times the patch there, of the patch's lines [a, a + Lines).
  template <int K, int Lines>
  static void sum_gradient_lines(const FirstBlockMap& map, const float* lines, const float* gradient,
                                 const uint8_t* chosen, int64_t c, int a, double* sums) {
    Number products[Lines][K];
    for (auto& line : products)
      for (auto& product : line) product = Number(0);
    for (int64_t x = 0; x < map.pooled_width(); ++x) {
      const int64_t place = x * map.channels + c;
      const Number value = Number::load(gradient + place);
      const Integers position = load_bytes(chosen + place);
      Number at[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) at[i] = select(position == i, value, Number(0));
      const float* patch = lines + a * map.width + 2 * x;
#pragma GCC unroll 5
      for (int line = 0; line < Lines; ++line)
#pragma GCC unroll 5
        for (int b = 0; b < K; ++b)
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i)
            products[line][b] += at[i] * Number(patch[(line + i / 2) * map.width + b + i % 2]);
    }
    for (int line = 0; line < Lines; ++line)
      for (int b = 0; b < K; ++b) add_to(products[line][b], sums + ((a + line) * K + b) * map.channels + c);
  }

  static void sum_gradient_values(const FirstBlockMap& map, const float* gradient, const uint8_t* chosen, int64_t c,
                                  double* sums) {
    Number sum(0);
    for (int64_t x = 0; x < map.pooled_width(); ++x) {
      const int64_t place = x * map.channels + c;
      const Integers position = load_bytes(chosen + place);
      sum += select(position == kNoneChosen, Number(0), Number::load(gradient + place));
    }
    add_to(sum, sums + c);
  }

  template <int K>
  static void sum_gradients_of(const FirstBlockGradientSums& block, int64_t begin, int64_t end, double* sums) {
    const FirstBlockMap& map = block.map;
    const int64_t row_size = map.pooled_width() * map.channels;
    for (int64_t row = begin; row < end; ++row) {
      const int64_t line = row / map.pooled_height() * map.height + row % map.pooled_height() * 2;
      const float* lines = block.x + line * map.width;
      const float* gradient = block.gradient + row * row_size;
      const uint8_t* chosen = block.chosen + row * row_size;
      for (int64_t c = 0; c < map.channels; c += W) {
        if constexpr (kHasManyRegisters)
          sum_gradient_lines<K, K>(map, lines, gradient, chosen, c, 0, sums);
        else
          for (int a = 0; a < K; ++a) sum_gradient_lines<K, 1>(map, lines, gradient, chosen, c, a, sums);
        sum_gradient_values(map, gradient, chosen, c, sums + K * K * map.channels);
      }
    }
  }

  static void sum_gradients(const FirstBlockGradientSums& block, int64_t begin, int64_t end, double* sums) {
    (block.map.kernel_size == 3 ? sum_gradients_of<3> : sum_gradients_of<5>)(block, begin, end, sums);
  }
};

}  // namespace siamaudio

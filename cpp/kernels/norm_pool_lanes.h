// The one implementation of NormPoolKernels, for W channels at once.
#pragma once

#include <cstdint>

#include "kernels/norm_pool.h"
#include "kernels/pool_lanes.h"
#include "simd/lanes.h"

namespace siamaudio {

template <int W>
struct NormPoolLanes : private PoolLanes<W> {
  using Number = Lane<W>;
  // NOLINTBEGIN(readability-redundant-typename): clang before 16 wants it
  using Integers = typename Vectors<W>::Integers;
  using Dropout = typename PoolLanes<W>::Dropout;
  // NOLINTEND(readability-redundant-typename)

  static constexpr NormPoolKernels kernels() {
    return {.sum_moments = sum_moments, .forward = forward, .sum_gradients = sum_gradients, .backward = backward};
  }

 private:
  using PoolLanes<W>::add_to;
  using PoolLanes<W>::choose;
  using PoolLanes<W>::load_bytes;
  using PoolLanes<W>::select;
  using PoolLanes<W>::store_bytes;

  // Floats are summed over so many pixels before the sum goes on in double.
  static constexpr int64_t kBlock = 128;

  static void sum_moments(const float* y, int64_t channels, const float* origin, int64_t begin, int64_t end,
                          double* sums) {
    for (int64_t block = begin; block < end; block += kBlock) {
      const int64_t block_end = end < block + kBlock ? end : block + kBlock;
      for (int64_t c = 0; c < channels; c += W) {
        const Number at = Number::load(origin + c);
        Number sum(0);
        Number squares(0);
        for (int64_t pixel = block; pixel < block_end; ++pixel) {
          const Number value = Number::load(y + pixel * channels + c) - at;
          sum += value;
          squares += value * value;
        }
        add_to(sum, sums + c);
        add_to(squares, sums + channels + c);
      }
    }
  }

  template <int Size, bool IsTraining>
  static void forward_rows(const PoolForward& pool, int64_t begin, int64_t end) {
    const int64_t channels = pool.map.channels;
    const int64_t width = pool.map.width;
    const int64_t pooled_width = pool.map.pooled_width();
    const int64_t pooled_height = pool.map.pooled_height();
    for (int64_t row = begin; row < end; ++row) {
      const float* y = pool.y + (row / pooled_height * pool.map.height + row % pooled_height * Size) * width * channels;
      const Dropout dropout(pool.dropout, pool.dropout_seed, row);
      for (int64_t x = 0; x < pooled_width; ++x) {
        for (int64_t c = 0; c < channels; c += W) {
          const Number scale = Number::load(pool.scale + c);
          const Number shift = Number::load(pool.shift + c);
          const float* at = y + x * Size * channels + c;
          Number y_there = Number::load(at);
          Number largest = y_there * scale + shift;
          Integers chosen{};
          for (int position = 1; position < Size * Size; ++position) {
            const Number next = Number::load(at + (position / Size * width + position % Size) * channels);
            const Integers is_larger = choose(position, next * scale + shift, largest, chosen);
            y_there = select(is_larger, next, y_there);
          }
          const Number out = dropout.apply(largest, x * channels + c, chosen);
          const int64_t place = (row * pooled_width + x) * channels + c;
          out.store(pool.out + place);
          if constexpr (IsTraining) {
            store_bytes(chosen, pool.chosen + place);
            if constexpr (Size > 1) y_there.store(pool.chosen_y + place);
          }
        }
      }
    }
  }

  static void forward(const PoolForward& pool, int64_t begin, int64_t end) {
    const bool is_training = pool.chosen != nullptr;
    const auto rows = pool.map.pool_size == 1 ? (is_training ? forward_rows<1, true> : forward_rows<1, false>)
                                              : (is_training ? forward_rows<2, true> : forward_rows<2, false>);
    rows(pool, begin, end);
  }

  static void sum_gradients(const PoolGradientSums& pool, int64_t begin, int64_t end, double* sums) {
    for (int64_t block = begin; block < end; block += kBlock) {
      const int64_t block_end = end < block + kBlock ? end : block + kBlock;
      for (int64_t c = 0; c < pool.channels; c += W) {
        const Number mean = Number::load(pool.mean + c);
        Number sum(0);
        Number products(0);
        for (int64_t pixel = block; pixel < block_end; ++pixel) {
          const int64_t place = pixel * pool.channels + c;
          const Integers is_none = load_bytes(pool.chosen + place) == kNoneChosen;
          const Number gradient = select(is_none, Number(0), Number::load(pool.gradient + place));
          sum += gradient;
          products += gradient * (Number::load(pool.chosen_y + place) - mean);
        }
        add_to(sum, sums + c);
        add_to(products, sums + pool.channels + c);
      }
    }
  }

  template <int Size, bool HasNorm>
  static void backward_rows(const PoolBackward& pool, int64_t begin, int64_t end) {
    const PooledMap& map = pool.map;
    const int64_t channels = map.channels;
    const int64_t rows_of_clip = (map.height + Size - 1) / Size;
    const auto dense = [&](const float* y, int64_t c) {
      if constexpr (!HasNorm) return Number(0);
      return Number::load(pool.constant + c) +
             Number::load(pool.slope + c) * (Number::load(y) - Number::load(pool.mean + c));
    };
    const auto unpooled = [&](float* pixel) {
      for (int64_t c = 0; c < channels; c += W) dense(pixel + c, c).store(pixel + c);
    };
    for (int64_t row = begin; row < end; ++row) {
      const int64_t clip = row / rows_of_clip;
      const int64_t pooled_y = row % rows_of_clip;
      float* y = pool.y + (clip * map.height + pooled_y * Size) * map.width * channels;
      if (pooled_y == map.pooled_height()) {
        for (int64_t x = 0; x < map.width; ++x) unpooled(y + x * channels);
        continue;
      }
      for (int64_t x = 0; x < map.pooled_width(); ++x) {
        const int64_t pixel = ((clip * map.pooled_height() + pooled_y) * map.pooled_width() + x) * channels;
        for (int64_t c = 0; c < channels; c += W) {
          const Integers chosen = load_bytes(pool.chosen + pixel + c);
          const Number gradient = Number::load(pool.gradient + pixel + c) * Number::load(pool.gain + c);
          for (int position = 0; position < Size * Size; ++position) {
            float* at = y + (position / Size * map.width + x * Size + position % Size) * channels + c;
            const Number value = dense(at, c);
            select(chosen == position, value + gradient, value).store(at);
          }
        }
      }
      for (int64_t x = map.pooled_width() * Size; x < map.width; ++x)
        for (int64_t line = 0; line < Size; ++line) unpooled(y + (line * map.width + x) * channels);
    }
  }

  static void backward(const PoolBackward& pool, int64_t begin, int64_t end) {
    const bool has_norm = pool.slope != nullptr;
    const auto rows = pool.map.pool_size == 1 ? (has_norm ? backward_rows<1, true> : backward_rows<1, false>)
                                              : (has_norm ? backward_rows<2, true> : backward_rows<2, false>);
    rows(pool, begin, end);
  }
};

}  // namespace siamaudio

// What both kernels that pool share: choosing the largest of a pool's positions, ReLU and dropout on it, the byte that
// says what was chosen, and sums that go on in double.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/counter_random.h"
#include "kernels/norm_pool.h"
#include "simd/lanes.h"

namespace siamaudio {

template <int W>
struct PoolLanes {
  using Number = Lane<W>;
  // NOLINTBEGIN(readability-redundant-typename): clang before 16 wants it
  using Integers = typename Vectors<W>::Integers;
  using Bytes = typename Vectors<W>::Bytes;
  // NOLINTEND(readability-redundant-typename)

  static Number select(Integers is_first, Number first, Number second) { return is_first ? first.v : second.v; }

  static Integers load_bytes(const uint8_t* bytes) {
    Bytes loaded;
    std::memcpy(&loaded, bytes, sizeof(loaded));
    return __builtin_convertvector(loaded, Integers);
  }

  static void store_bytes(Integers values, uint8_t* bytes) {
    const Bytes narrow = __builtin_convertvector(values, Bytes);
    std::memcpy(bytes, &narrow, sizeof(narrow));
  }

  static void add_to(Number sum, double* totals) {
    for (int i = 0; i < W; ++i) totals[i] += static_cast<double>(sum.v[i]);
  }

  /// Goes on to `value`, of `position`, where it is larger. A NaN stays, and the last one is chosen, as ATen's
  /// max_pool2d does. Returns where it did.
  static Integers choose(int position, Number value, Number& largest, Integers& chosen) {
    const Integers is_larger = (value.v > largest.v) | (value.v != value.v);
    largest = select(is_larger, value, largest);
    chosen = is_larger ? Integers{} + position : chosen;
    return is_larger;
  }

  /// Dropout of one row of results.
  class Dropout {
   public:
    Dropout(double rate, uint64_t seed, int64_t row)
        : random_(seed, row),
          threshold_(static_cast<int32_t>(rate * 2147483648.0)),  // of 31 bits
          factor_(static_cast<float>(1 / (1 - rate))) {}

    /// ReLU, then dropout of the values at `place` of the row; `chosen` becomes kNoneChosen where nothing is left.
    Number apply(Number largest, int64_t place, Integers& chosen) const {
      const Integers is_zero = largest.v <= 0.0F;
      Number out = select(is_zero, Number(0), largest);
      Integers is_dead = is_zero;
      if (threshold_ > 0) {
        const Integers is_dropped = random_.bits(place) < threshold_;
        is_dead |= is_dropped;
        out *= select(is_dropped, Number(0), Number(factor_));  // not a plain zero: a NaN times zero is one
      }
      chosen = is_dead ? Integers{} + kNoneChosen : chosen;
      return out;
    }

   private:
    CounterRandom<W> random_;
    int32_t threshold_;
    float factor_;
  };
};

}  // namespace siamaudio

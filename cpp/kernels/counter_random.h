// Random bits that are a function of (seed, row, position), so that every thread draws those of its own rows and the
// result does not depend on how rows are divided.
#pragma once

#include <cstdint>
#include <cstring>

#include "simd/lanes.h"

namespace siamaudio {

/// The draws of one row, W at a time.
template <int W>
class CounterRandom {
 public:
  // NOLINTBEGIN(readability-redundant-typename): clang before 16 wants it
  using Integers = typename Vectors<W>::Integers;
  using Unsigned = typename Vectors<W>::Unsigned;
  // NOLINTEND(readability-redundant-typename)

  /// Both keys of a row come from its number and the seed by splitmix64 (Steele, Lea and Flood 2014).
  CounterRandom(uint64_t seed, int64_t row) {
    uint64_t z = seed + static_cast<uint64_t>(row) * 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
    first_key_ = static_cast<uint32_t>(z);
    second_key_ = static_cast<uint32_t>(z >> 32);
    for (int i = 0; i < W; ++i) lanes_[i] = static_cast<uint32_t>(i);
  }

  /// 31 random bits for each of the positions [position, position + W) of the row. A 32-bit permutation with low bias
  /// (C. Wellons, "Prospecting for hash functions", 2018: lowbias32), keyed before its first and last multiplication.
  Integers bits(int64_t position) const {
    Unsigned x = (lanes_ + static_cast<uint32_t>(position)) ^ first_key_;
    x = (x ^ (x >> 16)) * 0x21F0AAADU;
    x = ((x ^ (x >> 15)) + second_key_) * 0x735A2D97U;
    x = (x ^ (x >> 15)) >> 1;
    Integers bits;
    std::memcpy(&bits, &x, sizeof(bits));
    return bits;
  }

 private:
  uint32_t first_key_;
  uint32_t second_key_;
  Unsigned lanes_;
};

}  // namespace siamaudio

// The inner loops for registers of W floats. Included by one source file for each instruction set.
#pragma once

#include <cstring>

#include "score/nearest_kernel.h"
#include "simd/lanes.h"

namespace siamaudio {

template <int W>
struct NearestLanes {
  using Doubles = typename Vectors<W>::Doubles;        // NOLINT(readability-redundant-typename): clang before 16
  using HalfFloats = typename Vectors<W>::HalfFloats;  // NOLINT(readability-redundant-typename)
  static constexpr int kDoubles = W / 2;
  static constexpr int kSums = kRowMultiple / kDoubles;

  /// Adds term(query, item), both kDoubles numbers.
  template <typename Term>
  [[gnu::always_inline]] static double sum(const double* query, const float* item, int64_t size, const Term& term) {
    Doubles sums[kSums] = {};
    for (int64_t i = 0; i < size; i += kRowMultiple) {
      for (int s = 0; s < kSums; ++s) {
        Doubles left;
        HalfFloats right;
        std::memcpy(&left, query + i + s * kDoubles, sizeof(left));
        std::memcpy(&right, item + i + s * kDoubles, sizeof(right));
        sums[s] += term(left, __builtin_convertvector(right, Doubles));
      }
    }
    double total = 0;
    for (int s = 0; s < kSums; ++s)
      for (int i = 0; i < kDoubles; ++i) total += sums[s][i];
    return total;
  }

  static double dot(const double* query, const float* item, int64_t size) {
    return sum(query, item, size, [](Doubles a, Doubles b) { return a * b; });
  }

  static double squared_distance(const double* query, const float* item, int64_t size) {
    return sum(query, item, size, [](Doubles a, Doubles b) { return (a - b) * (a - b); });
  }
};

template <int W>
inline constexpr NearestKernel kNearestKernel{
    .dot = &NearestLanes<W>::dot,
    .squared_distance = &NearestLanes<W>::squared_distance,
};

}  // namespace siamaudio

// The recursion for registers of W floats, W / 2 doubles. Included by one source file for each instruction set.
#pragma once

#include <cstring>

#include "score/subset_kernel.h"
#include "simd/lanes.h"

namespace siamaudio {

template <int W>
struct SubsetLanes {
  using Doubles = typename Vectors<W>::Doubles;  // NOLINT(readability-redundant-typename): clang before 16 wants it
  static constexpr int64_t kWidth = W / 2;
  static constexpr int64_t kRegisters = kSubsetLanes / kWidth;

  static Doubles load(const double* values) {
    Doubles lanes;
    std::memcpy(&lanes, values, sizeof(lanes));
    return lanes;
  }

  static void run(const double* factors, int64_t size, int64_t most, double* means) {
    for (int64_t i = 0; i < (most + 1) * kSubsetLanes; ++i) means[i] = i < kSubsetLanes ? 1 : 0;
    for (int64_t m = 1; m <= size; ++m) {
      const double* factor_values = factors + (m - 1) * kSubsetLanes;
      const double step = 1 / static_cast<double>(m);
      const int64_t last = m < most ? m : most;
      for (int64_t part = 0; part < kRegisters; ++part) {
        const Doubles factor = load(factor_values + part * kWidth);
        double* mean = means + last * kSubsetLanes + part * kWidth;
        Doubles own = load(mean);
        for (int64_t k = last; k >= 1; --k, mean -= kSubsetLanes) {
          const double share = static_cast<double>(k) * step;
          const Doubles below = load(mean - kSubsetLanes);
          const Doubles updated = (1 - share) * own + share * factor * below;
          std::memcpy(mean, &updated, sizeof(updated));
          own = below;
        }
      }
    }
  }
};

}  // namespace siamaudio

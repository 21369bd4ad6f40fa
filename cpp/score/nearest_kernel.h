// The inner loops of nearest.h, one copy for each instruction set.
#pragma once

#include <cstdint>

#include "simd/isa.h"

namespace siamaudio {

/// Rows are filled up with zeros to a multiple of so many numbers.
constexpr int64_t kRowMultiple = 16;

struct NearestKernel {
  // ---- Of one query and one kept vector, the same bits with every instruction set: number i is added to sum i mod 16,
  // then the 16 sums one after the other. size: a multiple of kRowMultiple

  double (*dot)(const double* query, const float* item, int64_t size);
  double (*squared_distance)(const double* query, const float* item, int64_t size);
};

/// Of an instruction set that this processor runs.
const NearestKernel& nearest_kernel(Isa isa);

// Each in a source file that is compiled for it; those files share no template with others, of which the linker would
// keep one copy for every processor.
const NearestKernel& nearest_kernel_baseline();
const NearestKernel& nearest_kernel_avx2();
const NearestKernel& nearest_kernel_avx512();

}  // namespace siamaudio

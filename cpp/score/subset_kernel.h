// The recursion of subset_means.h, one copy for each instruction set.
#pragma once

#include <cstdint>

#include "simd/isa.h"

namespace siamaudio {

/// So many sets of factors at once, one beside the other.
constexpr int kSubsetLanes = 8;

/// As mean_subset_products.
using SubsetKernel = void (*)(const double* factors, int64_t size, int64_t most, double* means);

/// Of an instruction set that this processor runs.
SubsetKernel subset_kernel(Isa isa);

// Each in a source file that is compiled for it; those files share no template with others, of which the linker would
// keep one copy for every processor.
SubsetKernel subset_kernel_baseline();
SubsetKernel subset_kernel_avx2();
SubsetKernel subset_kernel_avx512();

}  // namespace siamaudio

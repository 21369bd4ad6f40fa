#include "score/subset_kernel.h"

namespace siamaudio {

SubsetKernel subset_kernel(Isa isa) {
#ifdef SIAMAUDIO_X86_KERNELS
  if (isa == Isa::kAvx512) return subset_kernel_avx512();
  if (isa == Isa::kAvx2) return subset_kernel_avx2();
#endif
  (void)isa;
  return subset_kernel_baseline();
}

}  // namespace siamaudio

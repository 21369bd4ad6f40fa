#include "score/nearest_kernel.h"

namespace siamaudio {

const NearestKernel& nearest_kernel(Isa isa) {
#ifdef SIAMAUDIO_X86_KERNELS
  if (isa == Isa::kAvx512) return nearest_kernel_avx512();
  if (isa == Isa::kAvx2) return nearest_kernel_avx2();
#endif
  (void)isa;
  return nearest_kernel_baseline();
}

}  // namespace siamaudio

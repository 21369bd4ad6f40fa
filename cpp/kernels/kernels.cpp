#include "kernels/kernels.h"

#include "kernels/kernel_sets.h"

namespace siamaudio {

const Kernels& kernels(Isa isa) {
#ifdef SIAMAUDIO_X86_KERNELS
  if (isa == Isa::kAvx512) return kernels_avx512();
  if (isa == Isa::kAvx2) return kernels_avx2();
#endif
  (void)isa;
  return kernels_baseline();
}

}  // namespace siamaudio

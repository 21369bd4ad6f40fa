#include "audio/frame_kernel.h"

#include "audio/frame_kernel_makers.h"

namespace siamaudio {

FrameKernel::~FrameKernel() = default;

std::unique_ptr<FrameKernel> make_frame_kernel(const FrameTables& tables, Isa isa) {
#ifdef SIAMAUDIO_X86_KERNELS
  if (isa == Isa::kAvx512) return std::unique_ptr<FrameKernel>(new_frame_kernel_avx512(tables));
  if (isa == Isa::kAvx2) return std::unique_ptr<FrameKernel>(new_frame_kernel_avx2(tables));
#endif
  (void)isa;
  return std::unique_ptr<FrameKernel>(new_frame_kernel_baseline(tables));
}

}  // namespace siamaudio

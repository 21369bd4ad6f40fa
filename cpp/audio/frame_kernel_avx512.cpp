#include "audio/frame_kernel_lanes.h"
#include "audio/frame_kernel_makers.h"

namespace siamaudio {

FrameKernel* new_frame_kernel_avx512(const FrameTables& tables) { return new LaneKernel<16>(tables); }

}  // namespace siamaudio

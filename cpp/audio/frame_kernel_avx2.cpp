#include "audio/frame_kernel_lanes.h"
#include "audio/frame_kernel_makers.h"

namespace siamaudio {

FrameKernel* new_frame_kernel_avx2(const FrameTables& tables) { return new LaneKernel<8>(tables); }

}  // namespace siamaudio

#include "audio/frame_kernel_lanes.h"
#include "audio/frame_kernel_makers.h"

namespace siamaudio {

FrameKernel* new_frame_kernel_baseline(const FrameTables& tables) { return new LaneKernel<4>(tables); }

}  // namespace siamaudio

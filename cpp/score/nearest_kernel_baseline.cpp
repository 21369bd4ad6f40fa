#include "score/nearest_kernel_lanes.h"

namespace siamaudio {

const NearestKernel& nearest_kernel_baseline() { return kNearestKernel<4>; }

}  // namespace siamaudio

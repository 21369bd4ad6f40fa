#include "kernels/kernel_sets.h"
#include "kernels/kernels_lanes.h"

namespace siamaudio {

const Kernels& kernels_baseline() { return kLaneKernels<4>; }

}  // namespace siamaudio

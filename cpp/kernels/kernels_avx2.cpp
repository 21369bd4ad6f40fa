#include "kernels/kernel_sets.h"
#include "kernels/kernels_lanes.h"

namespace siamaudio {

const Kernels& kernels_avx2() { return kLaneKernels<8>; }

}  // namespace siamaudio

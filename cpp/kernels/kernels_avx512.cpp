#include "kernels/kernel_sets.h"
#include "kernels/kernels_lanes.h"

namespace siamaudio {

const Kernels& kernels_avx512() { return kLaneKernels<16>; }

}  // namespace siamaudio

#include "score/nearest_kernel_lanes.h"

namespace siamaudio {

const NearestKernel& nearest_kernel_avx512() { return kNearestKernel<16>; }

}  // namespace siamaudio

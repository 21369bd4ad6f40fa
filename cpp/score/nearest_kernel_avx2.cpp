#include "score/nearest_kernel_lanes.h"

namespace siamaudio {

const NearestKernel& nearest_kernel_avx2() { return kNearestKernel<8>; }

}  // namespace siamaudio

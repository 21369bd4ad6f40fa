#include "score/nearest_kernel_lanes.h"

namespace siamaudio {

const NearestKernel& nearest_kernel_avx512vnni() { return kNearestKernel<16, true>; }

}  // namespace siamaudio

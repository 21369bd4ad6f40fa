#include "score/subset_kernel_lanes.h"

namespace siamaudio {

SubsetKernel subset_kernel_avx512() { return &SubsetLanes<16>::run; }

}  // namespace siamaudio

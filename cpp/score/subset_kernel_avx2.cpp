#include "score/subset_kernel_lanes.h"

namespace siamaudio {

SubsetKernel subset_kernel_avx2() { return &SubsetLanes<8>::run; }

}  // namespace siamaudio

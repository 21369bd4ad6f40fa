#include "score/subset_kernel_lanes.h"

namespace siamaudio {

SubsetKernel subset_kernel_baseline() { return &SubsetLanes<4>::run; }

}  // namespace siamaudio

// All kernels for W lanes. Included by one source file for each instruction set.
#pragma once

#include "kernels/first_block_lanes.h"
#include "kernels/kernels.h"
#include "kernels/norm_pool_lanes.h"
#include "kernels/winograd_lanes.h"

namespace siamaudio {

template <int W>
inline constexpr Kernels kLaneKernels{
    .num_lanes = W,
    .norm_pool = NormPoolLanes<W>::kernels(),
    .first_block = FirstBlockLanes<W>::kernels(),
    .winograd3 = kLaneWinograd<W, 3>,
    .winograd5 = kLaneWinograd<W, 5>,
};

}  // namespace siamaudio

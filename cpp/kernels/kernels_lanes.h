// All kernels for W lanes. Included by one source file for each instruction set.
#pragma once

#include "kernels/kernels.h"

namespace siamaudio {

template <int W>
inline constexpr Kernels kLaneKernels{
    .num_lanes = W,
};

}  // namespace siamaudio

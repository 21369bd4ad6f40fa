// The fused layers of a convolutional network on a CPU: raw loops over floats, one set for each instruction set.
//
// They know nothing of tensors, autograd or threads: each works on a range that its caller chooses, so that the caller
// may divide the work. Maps are channels-last: clips, height, width, channels; channels are multiples of `num_lanes`.
#pragma once

#include "kernels/winograd.h"
#include "simd/isa.h"

namespace siamaudio {

/// What one instruction set offers.
struct Kernels {
  int num_lanes;              ///< floats in a register
  WinogradKernels winograd3;  ///< 3 x 3
  WinogradKernels winograd5;  ///< 5 x 5
};

/// Of an instruction set that this processor runs.
const Kernels& kernels(Isa isa);

}  // namespace siamaudio

// The fused layers of a convolutional network on a CPU: raw loops over floats, one set for each instruction set.
//
// They know nothing of tensors, autograd or threads: each works on a range that its caller chooses, so that the caller
// may divide the work. Maps are channels-last: clips, height, width, channels; channels are multiples of `num_lanes`.
#pragma once

#include "kernels/first_block.h"
#include "kernels/norm_pool.h"
#include "kernels/winograd.h"
#include "simd/isa.h"

namespace siamaudio {

/// What one instruction set offers.
struct Kernels {
  int num_lanes;  ///< floats in a register
  NormPoolKernels norm_pool;
  FirstBlockKernels first_block;
  WinogradKernels winograd3;  ///< 3 x 3
  WinogradKernels winograd5;  ///< 5 x 5
};

/// Of an instruction set that this processor runs.
const Kernels& kernels(Isa isa);

/// Those of chosen_isa(), or null where the environment variable SIAMAUDIO_FUSED is "off" and layers are to be computed
/// one by one. Throws ParameterError for other values than "on" and "off".
const Kernels* chosen_kernels();

}  // namespace siamaudio

// A network's first block on a CPU, input norm included, as one operation (kernels/first_block.h has its mathematics).
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/kernels.h"
#include "model/batch_norm.h"
#include "model/pass.h"

namespace siamaudio {

/// x: (clips, 1, height, width), float32, contiguous, without gradient. weight: (channels, 1, K, K), K 3 or 5, channels
/// a multiple of the kernels' lanes. Convolution without padding, batch norm where `norm` is not null, ReLU, max
/// pooling of 2 x 2, dropout; before all that the input's batch norm where `input_norm` is not null. Outside training
/// nothing is kept for a way back. Returns (clips, channels, (height - K + 1) / 2, (width - K + 1) / 2), channels last.
at::Tensor first_block(const at::Tensor& x, BatchNorm* input_norm, const at::Tensor& weight, const at::Tensor& bias,
                       BatchNorm* norm, double dropout, const Pass& pass, const Kernels& kernels);

}  // namespace siamaudio

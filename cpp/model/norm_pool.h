// Batch norm, ReLU, max pooling and dropout on a CPU as one operation (kernels/norm_pool.h has its mathematics).
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/kernels.h"
#include "model/batch_norm.h"
#include "model/pass.h"

namespace siamaudio {

/// y: (clips, channels, height, width), float32, channels last, channels a multiple of the kernels' lanes; in training
/// its memory becomes its gradient's on the way back, so nobody else may need it then. Outside training nothing is kept
/// for a way back. `norm` may be null. pool_size: 1 or 2. Returns (clips, channels, height / pool_size, width /
/// pool_size).
at::Tensor norm_pool(const at::Tensor& y, BatchNorm* norm, int64_t pool_size, double dropout, const Pass& pass,
                     const Kernels& kernels);

}  // namespace siamaudio

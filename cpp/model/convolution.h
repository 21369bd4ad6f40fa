// A convolution that autograd knows, by the fastest way that serves it.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/kernels.h"
#include "model/map_shape.h"
#include "model/pass.h"

namespace siamaudio {

/// at::conv2d(x, weight, bias, stride, padding), x channels last in memory. By Winograd's algorithm where `kernels` is
/// not null and winograd_serves says so; else by LibTorch, a large batch on a CPU in parts, since Ctrl-C waits for each
/// and for each on the way back.
at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Extent& stride,
                       const Extent& padding, const Pass& pass, const Kernels* kernels);

}  // namespace siamaudio

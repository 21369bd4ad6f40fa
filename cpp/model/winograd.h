// Convolutions by Winograd's algorithm on tensors (kernels/winograd.h), divided among the threads.
//
// All tensors are float32 on the CPU. Where a number among them is not finite, the results are those of at::conv2d and
// its gradients, which are then called. The outputs' bits do not depend on the number of threads; those of the weight's
// gradient do, but are the same for the same number.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "kernels/kernels.h"
#include "model/map_shape.h"
#include "model/workspace.h"

namespace siamaudio {

/// Why the functions below do not compute a convolution, or gain nothing by it; nothing where they serve.
std::optional<std::string> winograd_refusal(const Kernels& kernels, const MapShape& input, int64_t filters,
                                            const Extent& kernel_size, const Extent& stride, const Extent& padding);

/// Whether the functions below compute the convolution of `x`, (clips, channels, height, width), channels last in
/// memory, by `weight`, (filters, channels, K, K), and gain by it: K is 3 or 5, the stride 1, the padding less than K,
/// channels and filters are multiples of the lanes, the output's sides not much smaller than whole tiles of 4 x 4.
bool winograd_serves(const Kernels& kernels, const at::Tensor& x, const at::Tensor& weight, const Extent& stride,
                     const Extent& padding);

/// at::conv2d(x, weight, bias, 1, padding), without a gradient; `bias` may be undefined.
at::Tensor winograd_convolution(const Kernels& kernels, const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias, const Extent& padding,
                                const Workspace& workspace = Workspace());

/// The gradient of an x of `input` height and width, from that of the convolution's output.
at::Tensor winograd_input_gradient(const Kernels& kernels, const at::Tensor& output_gradient, const at::Tensor& weight,
                                   const Extent& input, const Extent& padding,
                                   const Workspace& workspace = Workspace());

struct ConvolutionGradients {
  at::Tensor weight;  ///< (filters, channels, K, K), channels last in memory
  at::Tensor bias;    ///< (filters,)
};

/// The gradients of a K x K weight and of the bias.
ConvolutionGradients winograd_weight_gradient(const Kernels& kernels, const at::Tensor& x,
                                              const at::Tensor& output_gradient, int64_t kernel_size,
                                              const Extent& padding, const Workspace& workspace = Workspace());

}  // namespace siamaudio

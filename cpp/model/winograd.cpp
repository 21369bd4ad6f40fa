#include "model/winograd.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <atomic>
#include <tuple>
#include <vector>

namespace siamaudio {
namespace {

constexpr int64_t kTileSide = 4;

/// Least share of the tiles' outputs that the map has. Measured: at 25 of 64 neither way is faster.
constexpr double kLeastShare = 0.4;

/// Pairs of channels whose weights one thread transforms sooner than a second one starts.
constexpr int64_t kGrainPairs = 8192;

int64_t num_tiles(int64_t length) { return (length + kTileSide - 1) / kTileSide; }

const WinogradKernels& kernels_of(const Kernels& kernels, int64_t kernel_size) {
  return kernel_size == 3 ? kernels.winograd3 : kernels.winograd5;
}

/// Of a convolution of `input` to `output`, (clips, channels, height, width) both.
WinogradShape shape_of(at::IntArrayRef input, at::IntArrayRef output, const Extent& padding) {
  return {.num_clips = input[0],
          .height = input[2],
          .width = input[3],
          .in_channels = input[1],
          .out_height = output[2],
          .out_width = output[3],
          .out_channels = output[1],
          .top = padding.height,
          .left = padding.width,
          .tiles_down = num_tiles(output[2]),
          .tiles_across = num_tiles(output[3])};
}

int64_t count_tiles(const WinogradShape& shape) { return shape.num_clips * shape.tiles_down * shape.tiles_across; }

WinogradWeight<const float> weight_of(const at::Tensor& weight) {
  return {.data = weight.const_data_ptr<float>(),
          .in_channels = weight.size(1),
          .out_channels = weight.size(0),
          .in_stride = weight.stride(1),
          .out_stride = weight.stride(0),
          .row_stride = weight.stride(2),
          .column_stride = weight.stride(3)};
}

/// The kernel with which the gradient of the convolution's outputs gives that of its inputs.
WinogradWeight<const float> turned(const WinogradWeight<const float>& weight, int64_t kernel_size) {
  return {.data = weight.data + (kernel_size - 1) * (weight.row_stride + weight.column_stride),
          .in_channels = weight.out_channels,
          .out_channels = weight.in_channels,
          .in_stride = weight.out_stride,
          .out_stride = weight.in_stride,
          .row_stride = -weight.row_stride,
          .column_stride = -weight.column_stride};
}

/// Fills `output`; false where it is not finite.
bool convolve(const WinogradKernels& kernels, const at::Tensor& input, const WinogradWeight<const float>& weight,
              const float* bias, const Extent& padding, const at::Tensor& output, const Workspace& workspace) {
  const at::Tensor transformed = workspace.take({kernels.weight_size(weight.in_channels, weight.out_channels)});
  auto* points = transformed.mutable_data_ptr<float>();
  at::parallel_for(0, weight.in_channels, std::max<int64_t>(1, kGrainPairs / weight.out_channels),
                   [&](int64_t first, int64_t last) { kernels.transform_weight(weight, first, last, points); });

  const WinogradConvolution convolution{.shape = shape_of(input.sizes(), output.sizes(), padding),
                                        .input = input.const_data_ptr<float>(),
                                        .weight = points,
                                        .bias = bias,
                                        .output = output.mutable_data_ptr<float>()};
  const int64_t num_threads = at::get_num_threads();
  const int64_t count = count_tiles(convolution.shape);
  const int64_t step = kernels.convolve_tiles(convolution.shape, num_threads);
  const int64_t scratch_size = kernels.convolve_scratch(convolution.shape, step);
  const at::Tensor scratch = workspace.take({num_threads * scratch_size});
  auto* scratches = scratch.mutable_data_ptr<float>();
  std::atomic<int64_t> next{0};  // a thread that others disturb takes fewer blocks
  std::atomic<bool> is_finite{true};
  at::parallel_for(0, num_threads, 1, [&](int64_t thread, int64_t /*end*/) {
    for (int64_t first; (first = next.fetch_add(step)) < count;)
      if (!kernels.convolve(convolution, first, std::min(first + step, count), scratches + thread * scratch_size))
        is_finite = false;
  });
  return is_finite;
}

}  // namespace

std::optional<std::string> winograd_refusal(const Kernels& kernels, const MapShape& input, int64_t filters,
                                            const Extent& kernel_size, const Extent& stride, const Extent& padding) {
  const int64_t size = kernel_size.height;
  if ((size != 3 && size != 5) || kernel_size.width != size) return "kernel of " + to_string(kernel_size);
  if (stride.height != 1 || stride.width != 1) return "stride of " + to_string(stride);
  for (const int64_t channels : {input.channels, filters})
    if (channels % kernels.num_lanes != 0)
      return std::to_string(channels) + " channels, no multiple of " + std::to_string(kernels.num_lanes);
  if (padding.height >= size || padding.width >= size) return "padding of " + to_string(padding);
  const int64_t height = input.height + 2 * padding.height - size + 1;
  const int64_t width = input.width + 2 * padding.width - size + 1;
  if (height < 1 || width < 1) return "no output";
  const int64_t in_tiles = kTileSide * kTileSide * num_tiles(height) * num_tiles(width);
  if (static_cast<double>(height * width) < kLeastShare * static_cast<double>(in_tiles))
    return "output of " + to_string(Extent{.height = height, .width = width});
  return std::nullopt;
}

bool winograd_serves(const Kernels& kernels, const at::Tensor& x, const at::Tensor& weight, const Extent& stride,
                     const Extent& padding) {
  const auto is_float = [](const at::Tensor& tensor) { return tensor.is_cpu() && tensor.scalar_type() == at::kFloat; };
  if (!is_float(x) || !is_float(weight) || !x.is_contiguous(at::MemoryFormat::ChannelsLast) || x.size(0) < 1)
    return false;
  if (x.size(1) != weight.size(1)) return false;
  return !winograd_refusal(kernels, {.channels = x.size(1), .height = x.size(2), .width = x.size(3)}, weight.size(0),
                           {.height = weight.size(2), .width = weight.size(3)}, stride, padding);
}

at::Tensor winograd_convolution(const Kernels& kernels, const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias, const Extent& padding, const Workspace& workspace) {
  const int64_t size = weight.size(2);
  const at::Tensor output = workspace.take(
      {x.size(0), weight.size(0), x.size(2) + 2 * padding.height - size + 1, x.size(3) + 2 * padding.width - size + 1},
      at::kFloat, at::MemoryFormat::ChannelsLast);
  const at::Tensor shift = bias.defined() ? bias.contiguous() : bias;
  if (convolve(kernels_of(kernels, size), x, weight_of(weight),
               shift.defined() ? shift.const_data_ptr<float>() : nullptr, padding, output, workspace))
    return output;
  const at::NoGradGuard no_grad;
  return at::conv2d(x, weight, bias, /*stride=*/1, {padding.height, padding.width});
}

at::Tensor winograd_input_gradient(const Kernels& kernels, const at::Tensor& output_gradient, const at::Tensor& weight,
                                   const Extent& input, const Extent& padding, const Workspace& workspace) {
  const int64_t size = weight.size(2);
  const at::Tensor from = output_gradient.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor gradient = workspace.take({from.size(0), weight.size(1), input.height, input.width}, at::kFloat,
                                             at::MemoryFormat::ChannelsLast);
  const Extent zeros{.height = size - 1 - padding.height, .width = size - 1 - padding.width};
  if (convolve(kernels_of(kernels, size), from, turned(weight_of(weight), size), nullptr, zeros, gradient, workspace))
    return gradient;
  return std::get<0>(at::convolution_backward(from, gradient, weight, /*bias_sizes=*/{}, /*stride=*/{1, 1},
                                              {padding.height, padding.width}, /*dilation=*/{1, 1},
                                              /*transposed=*/false, /*output_padding=*/{0, 0}, /*groups=*/1,
                                              {true, false, false}));
}

ConvolutionGradients winograd_weight_gradient(const Kernels& kernels, const at::Tensor& x,
                                              const at::Tensor& output_gradient, int64_t kernel_size,
                                              const Extent& padding, const Workspace& workspace) {
  const WinogradKernels& winograd = kernels_of(kernels, kernel_size);
  const at::Tensor from = output_gradient.contiguous(at::MemoryFormat::ChannelsLast);
  const WinogradWeightGradient operation{.shape = shape_of(x.sizes(), from.sizes(), padding),
                                         .input = x.const_data_ptr<float>(),
                                         .output_gradient = from.const_data_ptr<float>()};
  const WinogradShape& shape = operation.shape;

  // Each part of the tiles has its own sums, so that their order does not depend on which thread is faster.
  const int64_t count = count_tiles(shape);
  const int64_t num_parts = std::min<int64_t>(at::get_num_threads(), count);
  const int64_t num_sums = winograd.weight_size(shape.in_channels, shape.out_channels);
  const int64_t scratch_size = winograd.gradient_scratch(shape);
  const at::Tensor sums = workspace.take({num_parts * num_sums});
  const at::Tensor scratch = workspace.take({num_parts * scratch_size});
  std::vector<double> bias_sums(static_cast<size_t>(num_parts * shape.out_channels));
  auto* weight_sums = sums.mutable_data_ptr<float>();
  auto* scratches = scratch.mutable_data_ptr<float>();
  at::parallel_for(0, num_parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part)
      winograd.sum_weight_gradient(
          operation, count * part / num_parts, count * (part + 1) / num_parts, scratches + part * scratch_size,
          {.weight = weight_sums + part * num_sums, .bias = bias_sums.data() + part * shape.out_channels});
  });

  ConvolutionGradients gradients{
      .weight = workspace.take({shape.out_channels, shape.in_channels, kernel_size, kernel_size}, at::kFloat,
                               at::MemoryFormat::ChannelsLast),
      .bias = workspace.take({shape.out_channels})};
  const WinogradWeight<float> weight{.data = gradients.weight.mutable_data_ptr<float>(),
                                     .in_channels = shape.in_channels,
                                     .out_channels = shape.out_channels,
                                     .in_stride = gradients.weight.stride(1),
                                     .out_stride = gradients.weight.stride(0),
                                     .row_stride = gradients.weight.stride(2),
                                     .column_stride = gradients.weight.stride(3)};
  std::atomic<bool> is_finite{true};
  at::parallel_for(0, shape.in_channels, std::max<int64_t>(1, kGrainPairs / shape.out_channels),
                   [&](int64_t first, int64_t last) {
                     if (!winograd.finish_weight_gradient(weight_sums, num_parts, first, last, weight))
                       is_finite = false;
                   });
  if (!is_finite) {
    std::tie(std::ignore, gradients.weight, gradients.bias) = at::convolution_backward(
        from, x, gradients.weight, /*bias_sizes=*/at::IntArrayRef{shape.out_channels}, /*stride=*/{1, 1},
        {padding.height, padding.width}, /*dilation=*/{1, 1}, /*transposed=*/false, /*output_padding=*/{0, 0},
        /*groups=*/1, {false, true, true});
    return gradients;
  }
  auto* bias = gradients.bias.mutable_data_ptr<float>();
  for (int64_t out = 0; out < shape.out_channels; ++out) {
    double sum = 0;
    for (int64_t part = 0; part < num_parts; ++part)
      sum += bias_sums[static_cast<size_t>(part * shape.out_channels + out)];
    bias[out] = static_cast<float>(sum);
  }
  return gradients;
}

}  // namespace siamaudio

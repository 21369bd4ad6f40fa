#include "model/conv_block.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "base/choices.h"
#include "base/errors.h"
#include "model/convolution.h"
#include "model/dropout.h"
#include "model/first_block.h"
#include "model/init.h"
#include "model/norm_pool.h"
#include "model/winograd.h"

namespace siamaudio {
namespace {

/// Kernels or pools of `size` positions, `stride` apart, that fit into `length`.
int64_t num_windows(int64_t length, int64_t size, int64_t stride) {
  return length < size ? 0 : (length - size) / stride + 1;
}

/// Zeros at both ends together with which `kernel` gives ceil(length / stride) positions.
int64_t same_padding(int64_t length, int64_t kernel, int64_t stride) {
  const int64_t num_positions = (length + stride - 1) / stride;
  return std::max<int64_t>(0, (num_positions - 1) * stride + kernel - length);
}

/// Rows and columns of zeros around a map.
struct Zeros {
  int64_t top = 0;
  int64_t bottom = 0;
  int64_t left = 0;
  int64_t right = 0;

  bool are_even() const { return top == bottom && left == right; }
};

Zeros zeros_around(const ConvBlockOptions& options, int64_t height, int64_t width) {
  if (options.padding == Padding::kValid) return {};
  const int64_t rows = same_padding(height, options.kernel_size.height, options.stride.height);
  const int64_t columns = same_padding(width, options.kernel_size.width, options.stride.width);
  return {.top = rows / 2, .bottom = rows - rows / 2, .left = columns / 2, .right = columns - columns / 2};
}

MapShape convolved_shape(const ConvBlockOptions& options, const MapShape& input) {
  const auto side = [&](int64_t length, int64_t kernel, int64_t stride) {
    if (options.padding == Padding::kSame) length += same_padding(length, kernel, stride);
    return num_windows(length, kernel, stride);
  };
  return {.channels = options.filters,
          .height = side(input.height, options.kernel_size.height, options.stride.height),
          .width = side(input.width, options.kernel_size.width, options.stride.width)};
}

void check(const Extent& extent, const std::string& name) {
  if (extent.height < 1 || extent.width < 1) throw ParameterError(name, to_string(extent), "1 or more each way");
}

}  // namespace

Padding parse_padding(const std::string& name) {
  constexpr Choices<Padding, 2> kPaddings{{{"valid", Padding::kValid}, {"same", Padding::kSame}}};
  return parse_choice("padding", name, kPaddings);
}

Pooling parse_pooling(const std::string& name) {
  constexpr Choices<Pooling, 3> kPoolings{
      {{"none", Pooling::kNone}, {"max", Pooling::kMax}, {"average", Pooling::kAverage}}};
  return parse_choice("pooling", name, kPoolings);
}

void check(const ConvBlockOptions& options, const std::string& name) {
  if (options.filters < 1) throw ParameterError(name + ".filters", std::to_string(options.filters), "1 or more");
  check(options.kernel_size, name + ".kernel_size");
  check(options.stride, name + ".stride");
  check(options.pool_size, name + ".pool_size");
  check_dropout(options.dropout, name + ".dropout");
}

MapShape output_shape(const ConvBlockOptions& options, const MapShape& input) {
  MapShape shape = convolved_shape(options, input);
  if (options.pooling != Pooling::kNone) {
    shape.height = num_windows(shape.height, options.pool_size.height, options.pool_size.height);
    shape.width = num_windows(shape.width, options.pool_size.width, options.pool_size.width);
  }
  return shape;
}

ConvBlock::ConvBlock(const ConvBlockOptions& options, int64_t num_input_channels, const at::Generator& generator)
    : options_(options),
      weight_(glorot_uniform(
          {options.filters, num_input_channels, options.kernel_size.height, options.kernel_size.width}, generator)),
      bias_(at::zeros({options.filters})) {
  if (options.batch_norm) batch_norm_.emplace(options.filters);
}

at::Tensor ConvBlock::convolve(const at::Tensor& x, const Pass& pass, const Kernels* kernels) const {
  const Zeros zeros = zeros_around(options_, x.size(2), x.size(3));
  if (zeros.are_even())
    return convolution(x, weight_, bias_, options_.stride, {.height = zeros.top, .width = zeros.left}, pass, kernels);
  const at::Tensor padded = at::constant_pad_nd(x, {zeros.left, zeros.right, zeros.top, zeros.bottom});
  return convolution(padded.contiguous(at::MemoryFormat::ChannelsLast), weight_, bias_, options_.stride,
                     {.height = 0, .width = 0}, pass, kernels);
}

std::string ConvBlock::convolution_path(const MapShape& input, const Kernels* kernels) const {
  if (kernels == nullptr) return "plain";
  const Zeros zeros = zeros_around(options_, input.height, input.width);
  MapShape padded = input;
  if (!zeros.are_even()) {
    padded.height += zeros.top + zeros.bottom;
    padded.width += zeros.left + zeros.right;
  }
  const auto refusal = winograd_refusal(
      *kernels, padded, options_.filters, options_.kernel_size, options_.stride,
      zeros.are_even() ? Extent{.height = zeros.top, .width = zeros.left} : Extent{.height = 0, .width = 0});
  return refusal ? "plain: " + *refusal : "winograd";
}

std::optional<std::string> ConvBlock::fused_refusal(const Kernels& kernels) const {
  if (options_.activation != Activation::kRelu) return "activation other than relu";
  const bool pools_by_two = options_.pooling == Pooling::kMax && options_.pool_size == Extent{.height = 2, .width = 2};
  if (!pools_by_two && options_.pooling != Pooling::kNone)
    return options_.pooling == Pooling::kMax ? "pools of " + to_string(options_.pool_size) : "average pooling";
  if (options_.filters % kernels.num_lanes != 0)
    return std::to_string(options_.filters) + " filters, no multiple of " + std::to_string(kernels.num_lanes);
  return std::nullopt;
}

bool ConvBlock::has_first_form(const Kernels& kernels) const {
  const Extent& kernel = options_.kernel_size;
  return !fused_refusal(kernels) && options_.pooling == Pooling::kMax && weight_.size(1) == 1 &&
         options_.padding == Padding::kValid && options_.stride == Extent{.height = 1, .width = 1} &&
         (kernel == Extent{.height = 3, .width = 3} || kernel == Extent{.height = 5, .width = 5});
}

at::Tensor ConvBlock::forward_first(const at::Tensor& x, BatchNorm* input_norm, const Pass& pass,
                                    const Kernels& kernels) {
  at::Tensor y = first_block(x, input_norm, weight_, bias_, batch_norm_ ? &*batch_norm_ : nullptr, options_.dropout,
                             pass, kernels);
  poll_both_ways(y, pass);
  return y;
}

at::Tensor ConvBlock::forward(const at::Tensor& x, const Pass& pass, const Kernels* kernels) {
  at::Tensor y = convolve(x, pass, kernels);
  if (kernels != nullptr && !fused_refusal(*kernels)) {
    const int64_t pool_size = options_.pooling == Pooling::kMax ? 2 : 1;
    y = norm_pool(y, batch_norm_ ? &*batch_norm_ : nullptr, pool_size, options_.dropout, pass, *kernels);
    poll_both_ways(y, pass);
    return y;
  }
  if (batch_norm_) {
    y = batch_norm_->forward(y, pass);
    poll_both_ways(y, pass);
  }
  const Extent& size = options_.pool_size;
  // A rising activation after the maximum gives the same values, on fewer of them.
  const bool activates_last = options_.pooling == Pooling::kMax && is_rising(options_.activation);
  if (!activates_last) y = activate(y, options_.activation);
  if (options_.pooling == Pooling::kMax) y = at::max_pool2d(y, {size.height, size.width});
  if (options_.pooling == Pooling::kAverage) y = at::avg_pool2d(y, {size.height, size.width});
  if (activates_last) y = activate(y, options_.activation);
  y = dropout(y, options_.dropout, pass);
  poll_both_ways(y, pass);
  return y;
}

NamedTensors ConvBlock::parameters() const {
  NamedTensors all{{"conv.weight", weight_}, {"conv.bias", bias_}};
  if (batch_norm_) append(all, "norm", batch_norm_->parameters());
  return all;
}

NamedTensors ConvBlock::buffers() const {
  NamedTensors all;
  if (batch_norm_) append(all, "norm", batch_norm_->buffers());
  return all;
}

std::vector<LayerInfo> ConvBlock::layers(const std::string& name, const MapShape& input, const Kernels* kernels,
                                         bool is_first) const {
  const bool has_first = is_first && kernels != nullptr && has_first_form(*kernels);
  std::string path = "plain";
  if (kernels != nullptr) {
    const auto refusal = fused_refusal(*kernels);
    path = refusal ? "plain: " + *refusal : "fused";
  }
  const MapShape convolved = convolved_shape(options_, input);
  const std::vector<int64_t> sides{convolved.channels, convolved.height, convolved.width};
  std::vector<LayerInfo> all{{.name = name + ".conv",
                              .kind = "conv",
                              .output_shape = sides,
                              .num_parameters = weight_.numel() + bias_.numel(),
                              .flops = 2 * weight_.numel() * convolved.height * convolved.width,
                              .path = has_first ? "fused" : convolution_path(input, kernels)}};
  if (batch_norm_) {
    all.push_back(batch_norm_->layer(name + ".norm", sides));
    all.back().path = path;
  }
  if (options_.pooling != Pooling::kNone) {
    const MapShape pooled = output_shape(options_, input);
    all.push_back({.name = name + ".pooling",
                   .kind = options_.pooling == Pooling::kMax ? "max_pooling" : "average_pooling",
                   .output_shape = {pooled.channels, pooled.height, pooled.width},
                   .path = path});
  }
  return all;
}

}  // namespace siamaudio

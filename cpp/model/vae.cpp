#include "model/vae.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/std_mean.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "base/errors.h"
#include "model/convolution.h"
#include "model/copy_values.h"
#include "model/init.h"

namespace siamaudio {
namespace {

constexpr int64_t kKernelSize = 3;
constexpr int64_t kBlockClips = 32;         // of inference; bounds the memory of the activations
constexpr double kLeastRelativeStd = 1e-6;  // of a band, for its mean: below, the deviation is rounding
constexpr Extent kStride{.height = 2, .width = 2};
constexpr Extent kPadding{.height = 1, .width = 1};

int64_t halved(int64_t side) { return (side + 1) / 2; }

/// What a transposed convolution adds at the end, so that a side of halved(side) becomes `side` again.
int64_t output_padding(int64_t side) { return 1 - side % 2; }

int64_t num_values(const MapShape& map) { return map.channels * map.height * map.width; }

std::string layer_name(const char* half, size_t i) { return std::string(half) + ".block" + std::to_string(i + 1); }

void check(const VaeOptions& options, const InputShape& input) {
  if (options.filters.empty()) throw ParameterError("filters", "none", "those of one layer or more");
  for (const int64_t filters : options.filters)
    if (filters < 1) throw ParameterError("filters", std::to_string(filters), "1 or more in each layer");
  if (options.latent_dim < 1) throw ParameterError("latent_dim", std::to_string(options.latent_dim), "1 or more");
  if (!(options.min_variance > 0))
    throw ParameterError("min_variance", std::to_string(options.min_variance), "above 0");
  if (input.channels < 1 || input.height < 1 || input.width < 1)
    throw ParameterError("input_shape",
                         "(" + std::to_string(input.channels) + ", " + std::to_string(input.height) + ", " +
                             std::to_string(input.width) + ")",
                         "1 or more channels, bands and frames");
}

/// The bytes in the order that convolutions are fastest with.
at::Tensor channels_last(const at::Tensor& x) {
  if (x.size(1) > 1) return x.contiguous(at::MemoryFormat::ChannelsLast);
  // With one channel both orders are the same bytes; the strides must say which, for the convolutions to keep it.
  const int64_t width = x.size(3);
  return x.contiguous().as_strided(x.sizes(), {x.size(2) * width, 1, width, 1});
}

at::Tensor transposed_convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                                  int64_t height_padding, int64_t width_padding, const Pass& pass) {
  at::Tensor y = at::conv_transpose2d(x, weight.contiguous(at::MemoryFormat::ChannelsLast), bias, {stride, stride},
                                      {kPadding.height, kPadding.width}, {height_padding, width_padding});
  poll_both_ways(y, pass);
  return y;
}

}  // namespace

// ---- A layer

GatedConv::GatedConv(Direction direction, int64_t num_channels, const MapShape& output, const at::Generator& generator)
    : direction_(direction),
      output_(output),
      weight_(direction == Direction::kDown
                  ? glorot_uniform({2 * output.channels, num_channels, kKernelSize, kKernelSize}, generator)
                  : glorot_uniform({num_channels, 2 * output.channels, kKernelSize, kKernelSize}, generator)),
      bias_(at::zeros({2 * output.channels})),
      norm_(output.channels) {}

at::Tensor GatedConv::forward(const at::Tensor& x, const Pass& pass) {
  const at::Tensor y = direction_ == Direction::kDown
                           ? convolution(x, weight_, bias_, kStride, kPadding, pass, /*kernels=*/nullptr)
                           : transposed_convolution(x, weight_, bias_, kStride.height, output_padding(output_.height),
                                                    output_padding(output_.width), pass);
  return norm_.forward(at::glu(y, 1), pass);
}

NamedTensors GatedConv::parameters() const {
  NamedTensors all{{"conv.weight", weight_}, {"conv.bias", bias_}};
  append(all, "norm", norm_.parameters());
  return all;
}

NamedTensors GatedConv::buffers() const {
  NamedTensors all;
  append(all, "norm", norm_.buffers());
  return all;
}

std::vector<LayerInfo> GatedConv::layers(const std::string& name) const {
  const std::vector<int64_t> sides{output_.channels, output_.height, output_.width};
  // Each weight meets each position of the smaller map, but for the edges.
  const bool is_down = direction_ == Direction::kDown;
  const int64_t positions = is_down ? output_.height * output_.width : halved(output_.height) * halved(output_.width);
  return {{.name = name + ".conv",
           .kind = is_down ? "gated_conv" : "gated_transposed_conv",
           .output_shape = sides,
           .num_parameters = weight_.numel() + bias_.numel(),
           .flops = 2 * weight_.numel() * positions},
          norm_.layer(name + ".norm", sides)};
}

// ---- The model

Vae::Vae(const VaeOptions& options, const InputShape& input, uint64_t seed)
    : options_(options),
      input_(input),
      scaling_mean_(at::zeros({input.channels, input.height, 1})),
      scaling_std_(at::ones({input.channels, input.height, 1})) {
  check(options, input);
  const at::Generator generator = make_generator(at::kCPU, seed);
  std::vector<MapShape> maps{input};
  for (const int64_t filters : options.filters) {
    const MapShape& last = maps.back();
    const MapShape map{.channels = filters, .height = halved(last.height), .width = halved(last.width)};
    encoder_.emplace_back(GatedConv::Direction::kDown, last.channels, map, generator);
    maps.push_back(map);
  }
  const int64_t flat = num_values(maps.back());
  to_latent_ = std::make_unique<Linear>(flat, 2 * options.latent_dim, generator);
  from_latent_ = std::make_unique<Linear>(options.latent_dim, flat, generator);
  for (size_t i = options.filters.size(); i-- > 0;) {
    MapShape map = maps[i];  // the sides of what the encoder's layer took, and the filters of the one before it
    map.channels = options.filters[i > 0 ? i - 1 : 0];
    decoder_.emplace_back(GatedConv::Direction::kUp, options.filters[i], map, generator);
  }
  pixel_weight_ = glorot_uniform({options.filters[0], 2 * input.channels, kKernelSize, kKernelSize}, generator);
  pixel_bias_ = at::zeros({2 * input.channels});
}

at::Tensor Vae::with_channels(const at::Tensor& spectrograms) const {
  const at::Tensor x = spectrograms.dim() == 3 ? spectrograms.unsqueeze(1) : spectrograms;
  if (x.dim() == 4 && x.size(1) == input_.channels && x.size(2) == input_.height && x.size(3) == input_.width) return x;
  std::string received = "shape (";
  for (int64_t i = 0; i < spectrograms.dim(); ++i)
    received += (i == 0 ? "" : ", ") + std::to_string(spectrograms.size(i));
  throw ParameterError("spectrograms", received + ")",
                       "(clips, " + (input_.channels == 1 ? "" : std::to_string(input_.channels) + ", ") +
                           std::to_string(input_.height) + ", " + std::to_string(input_.width) + ")");
}

LatentDistribution Vae::encode(const at::Tensor& x, const Pass& pass) {
  at::Tensor map = channels_last(x);
  for (GatedConv& layer : encoder_) map = layer.forward(map, pass);
  const at::Tensor both = to_latent_->forward(map.flatten(1), pass);
  return {.mean = both.narrow(1, 0, options_.latent_dim),
          .log_variance = both.narrow(1, options_.latent_dim, options_.latent_dim)};
}

PixelDistribution Vae::decode(const at::Tensor& z, const Pass& pass) {
  const MapShape& first = encoder_.back().output();
  at::Tensor map =
      channels_last(from_latent_->forward(z, pass).view({z.size(0), first.channels, first.height, first.width}));
  for (GatedConv& layer : decoder_) map = layer.forward(map, pass);
  const at::Tensor both = transposed_convolution(map, pixel_weight_, pixel_bias_, 1, 0, 0, pass);
  return {.mean = both.narrow(1, 0, input_.channels),
          .variance = at::softplus(both.narrow(1, input_.channels, input_.channels)) + options_.min_variance};
}

at::Tensor Vae::standardize(const at::Tensor& spectrograms) const {
  return (spectrograms - scaling_mean_) / scaling_std_;
}

void Vae::fit_scaling(const at::Tensor& spectrograms) {
  const at::NoGradGuard no_grad;
  const auto [std, mean] =
      at::std_mean(with_channels(spectrograms), at::OptionalIntArrayRef({0, 3}), /*correction=*/at::Scalar(0));
  scaling_mean_.copy_(mean.unsqueeze(-1));
  scaling_std_.copy_(at::where(std > kLeastRelativeStd * mean.abs(), std, at::ones_like(std)).unsqueeze(-1));
}

at::Tensor Vae::embed(const at::Tensor& spectrograms, const Poll& poll) {
  const at::NoGradGuard no_grad;
  const Pass pass{.is_training = false, .dropout_generator = {}, .poll = poll};
  const at::Tensor clips = with_channels(spectrograms);
  at::Tensor latents = at::empty({clips.size(0), options_.latent_dim}, at::kFloat);
  for (int64_t start = 0; start < latents.size(0); start += kBlockClips) {
    const int64_t size = std::min(kBlockClips, latents.size(0) - start);
    const at::Tensor block = clips.narrow(0, start, size).to(device_);
    latents.narrow(0, start, size).copy_(encode(standardize(block), pass).mean);
  }
  return latents;
}

PixelDistribution Vae::generate(const at::Tensor& latents, const Poll& poll) {
  const at::NoGradGuard no_grad;
  const Pass pass{.is_training = false, .dropout_generator = {}, .poll = poll};
  const std::vector<int64_t> shape{latents.size(0), input_.channels, input_.height, input_.width};
  PixelDistribution pixels{.mean = at::empty(shape, at::kFloat), .variance = at::empty(shape, at::kFloat)};
  for (int64_t start = 0; start < latents.size(0); start += kBlockClips) {
    const int64_t size = std::min(kBlockClips, latents.size(0) - start);
    const PixelDistribution block = decode(latents.narrow(0, start, size).to(device_), pass);
    pixels.mean.narrow(0, start, size).copy_(block.mean * scaling_std_ + scaling_mean_);
    pixels.variance.narrow(0, start, size).copy_(block.variance * scaling_std_.square());
  }
  return pixels;
}

NamedTensors Vae::parameters() const {
  NamedTensors all;
  for (size_t i = 0; i < encoder_.size(); ++i) append(all, layer_name("encoder", i), encoder_[i].parameters());
  append(all, "latent", to_latent_->parameters());
  append(all, "decoder.dense", from_latent_->parameters());
  for (size_t i = 0; i < decoder_.size(); ++i) append(all, layer_name("decoder", i), decoder_[i].parameters());
  append(all, "pixels", {{"weight", pixel_weight_}, {"bias", pixel_bias_}});
  return all;
}

NamedTensors Vae::weights() const {
  NamedTensors all = parameters();
  for (size_t i = 0; i < encoder_.size(); ++i) append(all, layer_name("encoder", i), encoder_[i].buffers());
  for (size_t i = 0; i < decoder_.size(); ++i) append(all, layer_name("decoder", i), decoder_[i].buffers());
  append(all, "scaling", {{"mean", scaling_mean_}, {"std", scaling_std_}});
  return all;
}

void Vae::set_weights(const NamedTensors& values) { copy_values(weights(), values, "weights"); }

std::vector<LayerInfo> Vae::layers() const {
  std::vector<LayerInfo> all;
  const auto add = [&](const std::vector<LayerInfo>& layers) { all.insert(all.end(), layers.begin(), layers.end()); };
  for (size_t i = 0; i < encoder_.size(); ++i) add(encoder_[i].layers(layer_name("encoder", i)));
  all.push_back(to_latent_->layer("latent"));
  all.push_back(from_latent_->layer("decoder.dense"));
  for (size_t i = 0; i < decoder_.size(); ++i) add(decoder_[i].layers(layer_name("decoder", i)));
  all.push_back({.name = "pixels",
                 .kind = "transposed_conv",
                 .output_shape = {2 * input_.channels, input_.height, input_.width},
                 .num_parameters = pixel_weight_.numel() + pixel_bias_.numel(),
                 .flops = 2 * pixel_weight_.numel() * input_.height * input_.width});
  return all;
}

void Vae::to(at::Device target) {
  if (target == device_) return;
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : weights()) {
    if (tensor.scalar_type() == at::kLong) continue;  // counters stay on the CPU
    tensor.set_data(tensor.to(target));
  }
  device_ = target;
}

}  // namespace siamaudio

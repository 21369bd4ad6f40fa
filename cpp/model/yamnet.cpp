#include "model/yamnet.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "base/errors.h"
#include "model/copy_values.h"
#include "model/init.h"

namespace siamaudio {
namespace {

constexpr int64_t kKernel = 3;         // sides of all but the pointwise convolutions
constexpr int64_t kBlockPatches = 16;  // embedded at once; bounds the memory of the activations

struct Stage {
  int64_t filters;
  int64_t stride;
};

// The first is a convolution, the others are a depthwise and a pointwise one.
constexpr Stage kStages[] = {{32, 2},  {64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2},
                             {512, 1}, {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};

/// As TensorFlow's SAME on sides that the stride divides: at stride 2 the one row and column of zeros lie at the end.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                    int64_t num_groups) {
  const at::Tensor kernel = weight.contiguous(at::MemoryFormat::ChannelsLast);
  if (weight.size(2) == 1) return at::conv2d(x, kernel, bias);
  const auto by = [&](const at::Tensor& map, at::IntArrayRef padding) {
    return at::conv2d(map, kernel, bias, {stride, stride}, padding, {1, 1}, num_groups);
  };
  if (stride == 1) return by(x, {1, 1});
  return by(at::constant_pad_nd(x, {0, 1, 0, 1}).contiguous(at::MemoryFormat::ChannelsLast), {0, 0});
}

}  // namespace

YamnetBody::YamnetBody(const at::Generator& generator) {
  int64_t channels = 1;
  const auto add = [&](const std::string& name, int64_t filters, int64_t kernel, int64_t stride, int64_t num_groups) {
    convolutions_.push_back({.name = name,
                             .stride = stride,
                             .num_groups = num_groups,
                             .weight = glorot_uniform({filters, channels / num_groups, kernel, kernel}, generator),
                             .bias = at::zeros({filters})});
    channels = filters;
  };
  int64_t number = 0;
  for (const auto& [filters, stride] : kStages) {
    const std::string layer = "layer" + std::to_string(++number);
    if (number == 1) {
      add(layer + ".conv", filters, kKernel, stride, 1);
    } else {
      add(layer + ".depthwise_conv", channels, kKernel, stride, channels);
      add(layer + ".pointwise_conv", filters, 1, 1, 1);
    }
  }
}

at::Tensor YamnetBody::forward(const at::Tensor& patches, const Pass& pass) const {
  // With one channel both memory formats are the same bytes; the strides must say "channels last" for the convolutions
  // to keep it.
  at::Tensor x = patches.contiguous().as_strided({patches.size(0), 1, kYamnetBands, kYamnetPatchFrames},
                                                 {kYamnetBands * kYamnetPatchFrames, 1, kYamnetPatchFrames, 1});
  for (const Convolution& layer : convolutions_) {
    x = convolve(x, layer.weight, layer.bias, layer.stride, layer.num_groups).relu_();
    poll_both_ways(x, pass);
  }
  return x.mean({2, 3});
}

NamedTensors YamnetBody::weights() const {
  NamedTensors all;
  for (const Convolution& layer : convolutions_) {
    all.emplace_back(layer.name + ".weight", layer.weight);
    all.emplace_back(layer.name + ".bias", layer.bias);
  }
  return all;
}

std::vector<LayerInfo> YamnetBody::layers(bool is_trainable) const {
  std::vector<LayerInfo> all;
  int64_t height = kYamnetBands;
  int64_t width = kYamnetPatchFrames;
  for (const Convolution& layer : convolutions_) {
    height /= layer.stride;
    width /= layer.stride;
    all.push_back({.name = layer.name,
                   .kind = layer.num_groups > 1 ? "depthwise_conv" : "conv",
                   .output_shape = {layer.weight.size(0), height, width},
                   .num_parameters = is_trainable ? layer.weight.numel() + layer.bias.numel() : 0,
                   .flops = 2 * layer.weight.numel() * height * width});
  }
  all.push_back({.name = "pooling", .kind = "global_average", .output_shape = {kYamnetSize}});
  return all;
}

at::Tensor yamnet_patches(const at::Tensor& spectrograms) {
  const auto shape = spectrograms.sizes();
  if (shape.size() != 3 || shape[1] != kYamnetBands || shape[2] < kYamnetPatchFrames) {
    std::string received = "shape (";
    for (size_t i = 0; i < shape.size(); ++i) received += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    throw ParameterError("spectrograms", received + ")", "(clips, 64, frames) with 96 frames, one patch, or more");
  }
  return spectrograms.unfold(2, kYamnetPatchFrames, kYamnetPatchHop).permute({0, 2, 1, 3});
}

at::Tensor embed_patches(const YamnetBody& body, const at::Tensor& spectrograms, at::Device device, const Pass& pass) {
  const at::NoGradGuard no_grad;
  const at::Tensor patches = yamnet_patches(spectrograms);
  const int64_t num_clips = patches.size(0);
  const int64_t num_patches = patches.size(1);
  at::Tensor embeddings = at::empty({num_clips, num_patches, kYamnetSize}, at::TensorOptions(device).dtype(at::kFloat));
  const int64_t block_clips = std::max<int64_t>(1, kBlockPatches / num_patches);
  const int64_t block_patches = std::min(kBlockPatches, num_patches);
  for (int64_t clip = 0; clip < num_clips; clip += block_clips) {
    const int64_t clips = std::min(block_clips, num_clips - clip);
    for (int64_t first = 0; first < num_patches; first += block_patches) {
      const int64_t count = std::min(block_patches, num_patches - first);
      const at::Tensor block = patches.narrow(0, clip, clips).narrow(1, first, count);
      const at::Tensor embedded =
          body.forward(block.reshape({clips * count, kYamnetBands, kYamnetPatchFrames}).to(device), pass);
      embeddings.narrow(0, clip, clips).narrow(1, first, count).copy_(embedded.view({clips, count, kYamnetSize}));
    }
  }
  return embeddings;
}

Yamnet::Yamnet(int64_t num_classes)
    : num_classes_(num_classes),
      body_(make_generator(at::kCPU, 0)),
      dense_(kYamnetSize, std::max<int64_t>(1, num_classes), make_generator(at::kCPU, 0)) {
  if (num_classes < 1) throw ParameterError("num_classes", std::to_string(num_classes), "1 or more");
}

at::Tensor Yamnet::embed(const at::Tensor& spectrograms, const Poll& poll) const {
  const Pass pass{.is_training = false, .dropout_generator = {}, .poll = poll};
  return embed_patches(body_, spectrograms, device_, pass).cpu();
}

at::Tensor Yamnet::scores(const at::Tensor& embeddings) const {
  const at::NoGradGuard no_grad;
  if (embeddings.dim() != 2 || embeddings.size(1) != kYamnetSize)
    throw ParameterError("embeddings",
                         std::to_string(embeddings.dim()) + " axes, the last of " + std::to_string(embeddings.size(-1)),
                         "(n, 1024)");
  return dense_.forward(embeddings.to(device_)).sigmoid_().cpu();
}

NamedTensors Yamnet::weights() const {
  NamedTensors all = body_.weights();
  append(all, "dense", dense_.parameters());
  return all;
}

void Yamnet::set_weights(const NamedTensors& values) { copy_values(weights(), values, "weights"); }

void Yamnet::to(at::Device device) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : weights()) tensor.set_data(tensor.to(device));
  device_ = device;
}

}  // namespace siamaudio

#include "model/yamnet_encoder.h"

#include <ATen/core/grad_mode.h>

#include "base/errors.h"
#include "model/l2_normalize.h"

namespace siamaudio {
namespace {

std::string dense_name(size_t index) { return "dense" + std::to_string(index + 1); }

/// (clips, 1, 64, frames) without the channel.
at::Tensor without_channel(const at::Tensor& spectrograms) {
  return spectrograms.dim() == 4 && spectrograms.size(1) == 1 ? spectrograms.squeeze(1) : spectrograms;
}

bool is_frozen_output(const at::Tensor& x) { return x.dim() == 4 && x.size(2) == 1 && x.size(3) == kYamnetSize; }

}  // namespace

int64_t embedding_size(const YamnetEncoderOptions& options, const MapShape& input) {
  if (input.channels != 1 || input.height != kYamnetBands || input.width < kYamnetPatchFrames)
    throw ParameterError("input_shape",
                         "(" + std::to_string(input.channels) + ", " + std::to_string(input.height) + ", " +
                             std::to_string(input.width) + ")",
                         "(1, 64, frames) with 96 frames or more: YAMNet's own log-mel spectrograms");
  for (size_t i = 0; i < options.dense.size(); ++i) check(options.dense[i], dense_name(i));
  return options.dense.empty() ? kYamnetSize : options.dense.back().units;
}

YamnetEncoder::YamnetEncoder(const YamnetEncoderOptions& options, const MapShape& input, const at::Generator& generator)
    : options_(options), input_(input), embedding_size_(siamaudio::embedding_size(options, input)), body_(generator) {
  int64_t num_inputs = kYamnetSize;
  for (const auto& layer : options.dense) {
    dense_.emplace_back(layer, num_inputs, generator);
    num_inputs = layer.units;
  }
}

at::Tensor YamnetEncoder::frozen_output(const at::Tensor& spectrograms, at::Device device, const Pass& pass) const {
  return embed_patches(body_, without_channel(spectrograms), device, pass).mean(1).unsqueeze(1).unsqueeze(1);
}

at::Tensor YamnetEncoder::forward(const at::Tensor& spectrograms, const Pass& pass) {
  const bool has_gradients =
      at::GradMode::is_enabled() && (spectrograms.requires_grad() || (pass.is_training && options_.trainable));
  at::Tensor x;
  if (is_frozen_output(spectrograms)) {
    x = spectrograms.flatten(1);
  } else if (has_gradients) {
    const at::Tensor patches = yamnet_patches(without_channel(spectrograms));
    x = body_.forward(patches.flatten(0, 1), pass).unflatten(0, {patches.size(0), patches.size(1)}).mean(1);
  } else {
    x = frozen_output(spectrograms, spectrograms.device(), pass).flatten(1);
  }
  for (auto& layer : dense_) x = layer.forward(x, pass);
  return options_.l2_normalize ? l2_normalize(x) : x;
}

NamedTensors YamnetEncoder::parameters() const {
  NamedTensors all;
  if (options_.trainable) append(all, "yamnet", body_.weights());
  for (size_t i = 0; i < dense_.size(); ++i) append(all, dense_name(i), dense_[i].parameters());
  return all;
}

NamedTensors YamnetEncoder::buffers() const {
  NamedTensors all;
  if (!options_.trainable) append(all, "yamnet", body_.weights());
  for (size_t i = 0; i < dense_.size(); ++i) append(all, dense_name(i), dense_[i].buffers());
  return all;
}

std::vector<LayerInfo> YamnetEncoder::layers(at::DeviceType) const {
  const int64_t num_patches = 1 + (input_.width - kYamnetPatchFrames) / kYamnetPatchHop;
  std::vector<LayerInfo> all;
  for (LayerInfo& layer : body_.layers(options_.trainable)) {
    layer.name = "yamnet." + layer.name;
    layer.flops *= num_patches;
    all.push_back(layer);
  }
  for (size_t i = 0; i < dense_.size(); ++i)
    for (LayerInfo& layer : dense_[i].layers(dense_name(i))) all.push_back(layer);
  if (options_.l2_normalize)
    all.push_back({.name = "l2_normalize", .kind = "l2_normalize", .output_shape = {embedding_size_}});
  return all;
}

}  // namespace siamaudio

#include "model/encoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include "base/choices.h"
#include "base/errors.h"
#include "model/l2_normalize.h"

namespace siamaudio {
namespace {

constexpr Choices<MapPooling, 6> kMapPoolings{{{"flatten", MapPooling::kFlatten},
                                               {"global_average", MapPooling::kGlobalAverage},
                                               {"global_max", MapPooling::kGlobalMax},
                                               {"global_average_max", MapPooling::kGlobalAverageMax},
                                               {"frequency", MapPooling::kFrequency},
                                               {"frequency_levels", MapPooling::kFrequencyLevels}}};

std::string block_name(size_t index) { return "block" + std::to_string(index + 1); }
std::string dense_name(size_t index) { return "dense" + std::to_string(index + 1); }

/// Shapes before and after each block. Throws ParameterError where a block gets less than it needs.
std::vector<MapShape> map_shapes(const std::vector<ConvBlockOptions>& blocks, const InputShape& input) {
  std::vector<MapShape> shapes{input};
  for (size_t i = 0; i < blocks.size(); ++i) {
    const MapShape& before = shapes.back();
    const MapShape after = output_shape(blocks[i], before);
    if (after.height < 1 || after.width < 1)
      throw ParameterError("encoder",
                           std::to_string(blocks.size()) + " blocks on " + std::to_string(input.height) + " bands x " +
                               std::to_string(input.width) + " frames",
                           block_name(i) + " needs an input larger than the " + std::to_string(before.height) + " x " +
                               std::to_string(before.width) +
                               " that reaches it: fewer blocks, smaller kernels, or larger spectrograms");
    shapes.push_back(after);
  }
  return shapes;
}

/// Checks everything that the layers are made from; returns the shapes before and after each block.
std::vector<MapShape> check(const EncoderOptions& options, const InputShape& input) {
  if (input.channels < 1 || input.height < 1 || input.width < 1)
    throw ParameterError("input_shape",
                         "(" + std::to_string(input.channels) + ", " + std::to_string(input.height) + ", " +
                             std::to_string(input.width) + ")",
                         "1 or more channels, bands and frames");
  for (size_t i = 0; i < options.blocks.size(); ++i) check(options.blocks[i], block_name(i));
  for (size_t i = 0; i < options.dense.size(); ++i) check(options.dense[i], dense_name(i));
  if (options.pooling == MapPooling::kFrequencyLevels &&
      (options.blocks.size() < 2 || !options.dense.empty() || options.l2_normalize))
    throw ParameterError("pooling",
                         "'frequency_levels' between " + std::to_string(options.blocks.size()) + " blocks and " +
                             std::to_string(options.dense.size()) + " dense layers" +
                             (options.l2_normalize ? " with l2_normalize" : ""),
                         "2 or more blocks before it, no dense layer and no l2_normalize after it");
  return map_shapes(options.blocks, input);
}

int64_t num_rows(const MapShape& map) { return map.channels * map.height; }

/// Outside training. shapes: before and after each block.
int64_t pooled_size(MapPooling pooling, const std::vector<MapShape>& shapes) {
  const MapShape& map = shapes.back();
  switch (pooling) {
    case MapPooling::kFlatten:
      return map.channels * map.height * map.width;
    case MapPooling::kGlobalAverage:
    case MapPooling::kGlobalMax:
      return map.channels;
    case MapPooling::kGlobalAverageMax:
      return 2 * map.channels;
    case MapPooling::kFrequency:
      return num_rows(map);
    case MapPooling::kFrequencyLevels:
      return num_rows(map) + map.channels + num_rows(shapes[shapes.size() - 2]);
  }
  return 0;  // not reached
}

/// map: (clips, channels, height, width), the last block's; earlier: the map before it -> (clips, pooled_size).
at::Tensor pool(const at::Tensor& map, const at::Tensor& earlier, MapPooling pooling, bool is_training) {
  const auto average = [&] { return map.mean({2, 3}); };
  const auto maximum = [&] { return map.amax({2, 3}); };
  const auto frequency = [](const at::Tensor& x) { return (x.mean(3) + x.amax(3)).flatten(1); };
  constexpr double kPartLength = 4;
  switch (pooling) {
    case MapPooling::kFlatten:
      return map.flatten(1);
    case MapPooling::kGlobalAverage:
      return average();
    case MapPooling::kGlobalMax:
      return maximum();
    case MapPooling::kGlobalAverageMax:
      return at::cat({average(), maximum()}, 1);
    case MapPooling::kFrequency:
      return frequency(map);
    case MapPooling::kFrequencyLevels: {
      std::vector<at::Tensor> parts{l2_normalize(frequency(map)), l2_normalize(maximum())};
      if (!is_training) parts.push_back(l2_normalize(frequency(earlier)));
      return at::cat(parts, 1) * kPartLength;
    }
  }
  return map;  // not reached
}

}  // namespace

MapPooling parse_map_pooling(const std::string& name) { return parse_choice("pooling", name, kMapPoolings); }

int64_t embedding_size(const EncoderOptions& options, const InputShape& input) {
  const int64_t pooled = pooled_size(options.pooling, check(options, input));
  return options.dense.empty() ? pooled : options.dense.back().units;
}

Encoder::Encoder(const EncoderOptions& options, const InputShape& input, const at::Generator& generator)
    : options_(options),
      input_(input),
      pooled_size_(pooled_size(options.pooling, check(options, input))),
      embedding_size_(siamaudio::embedding_size(options, input)),
      trained_size_(embedding_size_) {
  if (options.input_batch_norm) input_norm_.emplace(input.channels);
  int64_t num_channels = input.channels;
  for (const auto& block : options.blocks) {
    blocks_.emplace_back(block, num_channels, generator);
    num_channels = block.filters;
  }
  int64_t num_inputs = pooled_size_;
  if (options.pooling == MapPooling::kFrequencyLevels) {
    const std::vector<MapShape> shapes = map_shapes(options.blocks, input);
    trained_size_ = num_rows(shapes.back()) + shapes.back().channels;
  }
  for (const auto& layer : options.dense) {
    dense_.emplace_back(layer, num_inputs, generator);
    num_inputs = layer.units;
  }
}

void Encoder::check_input(at::IntArrayRef shape) const {
  const bool has_channels = shape.size() == 4;
  const bool is_flattened = options_.pooling == MapPooling::kFlatten;
  const auto end = shape.size();
  if ((has_channels ? shape[1] == input_.channels : end == 3 && input_.channels == 1) &&
      shape[end - 2] == input_.height) {
    if (shape[end - 1] == input_.width) return;
    if (!is_flattened) {
      map_shapes(options_.blocks, {.channels = input_.channels, .height = input_.height, .width = shape[end - 1]});
      return;
    }
  }
  std::string received = "shape (";
  for (size_t i = 0; i < end; ++i) received += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  throw ParameterError(
      "spectrograms", received + ")",
      "(clips, " + (input_.channels == 1 ? "" : std::to_string(input_.channels) + ", ") +
          std::to_string(input_.height) + ", " +
          (is_flattened ? std::to_string(input_.width) + "): an encoder that flattens its last map takes one number of "
                                                         "frames, one that pools it over time any"
                        : "frames)"));
}

at::Tensor Encoder::forward(const at::Tensor& spectrograms, const Pass& pass) {
  check_input(spectrograms.sizes());
  at::Tensor x = spectrograms.dim() == 3 ? spectrograms.unsqueeze(1) : spectrograms;
  // The kernels know float32 alone, keep nothing for a way back outside training, and have no gradient of the input.
  const bool is_served = x.is_cpu() && x.scalar_type() == at::kFloat && !x.requires_grad() &&
                         (pass.is_training || !at::GradMode::is_enabled());
  const Kernels* kernels = is_served ? chosen_kernels() : nullptr;
  auto block = blocks_.begin();
  if (kernels != nullptr && block != blocks_.end() && block->has_first_form(*kernels)) {
    x = block->forward_first(x.contiguous(), input_norm_ ? &*input_norm_ : nullptr, pass, *kernels);
    ++block;
  } else {
    if (input_norm_) x = input_norm_->forward(x, pass);
    if (x.size(1) == 1) {
      // With one channel both memory formats are the same bytes; the strides must say "channels last" for the
      // convolutions to keep it.
      const int64_t width = x.size(3);
      x = x.contiguous().as_strided(x.sizes(), {x.size(2) * width, 1, width, 1});
    } else {
      x = x.contiguous(at::MemoryFormat::ChannelsLast);
    }
  }
  at::Tensor earlier = x;
  for (; block != blocks_.end(); ++block) {
    earlier = x;
    x = block->forward(x, pass, kernels);
  }
  x = pool(x, earlier, options_.pooling, pass.is_training);
  for (auto& layer : dense_) x = layer.forward(x, pass);
  return options_.l2_normalize ? l2_normalize(x) : x;
}

NamedTensors Encoder::parameters() const {
  NamedTensors all;
  if (input_norm_) append(all, "input_norm", input_norm_->parameters());
  for (size_t i = 0; i < blocks_.size(); ++i) append(all, block_name(i), blocks_[i].parameters());
  for (size_t i = 0; i < dense_.size(); ++i) append(all, dense_name(i), dense_[i].parameters());
  return all;
}

NamedTensors Encoder::buffers() const {
  NamedTensors all;
  if (input_norm_) append(all, "input_norm", input_norm_->buffers());
  for (size_t i = 0; i < blocks_.size(); ++i) append(all, block_name(i), blocks_[i].buffers());
  for (size_t i = 0; i < dense_.size(); ++i) append(all, dense_name(i), dense_[i].buffers());
  return all;
}

std::vector<LayerInfo> Encoder::layers(at::DeviceType device) const {
  const Kernels* kernels = device == at::kCPU ? chosen_kernels() : nullptr;
  std::vector<LayerInfo> all;
  const auto add = [&](std::vector<LayerInfo> layers) { all.insert(all.end(), layers.begin(), layers.end()); };
  if (input_norm_) {
    all.push_back(input_norm_->layer("input_norm", {input_.channels, input_.height, input_.width}));
    const bool is_fused = kernels != nullptr && !blocks_.empty() && blocks_.front().has_first_form(*kernels);
    all.back().path = is_fused ? "fused" : "plain";
  }
  const std::vector<MapShape> shapes = map_shapes(options_.blocks, input_);
  for (size_t i = 0; i < blocks_.size(); ++i) add(blocks_[i].layers(block_name(i), shapes[i], kernels, i == 0));
  all.push_back(
      {.name = "pooling", .kind = choice_word(options_.pooling, kMapPoolings), .output_shape = {pooled_size_}});
  for (size_t i = 0; i < dense_.size(); ++i) add(dense_[i].layers(dense_name(i)));
  if (options_.l2_normalize)
    all.push_back({.name = "l2_normalize", .kind = "l2_normalize", .output_shape = {embedding_size_}});
  return all;
}

}  // namespace siamaudio

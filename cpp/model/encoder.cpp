#include "model/encoder.h"

#include <string>

#include "base/errors.h"
#include "model/dropout.h"

namespace siamaudio {
namespace {

std::string block_name(size_t index) { return "block" + std::to_string(index + 1); }

std::vector<ConvBlock> make_blocks(const std::vector<ConvBlockOptions>& options, const at::Generator& generator) {
  std::vector<ConvBlock> blocks;
  int64_t num_channels = 1;
  for (size_t i = 0; i < options.size(); ++i) {
    check(options[i], block_name(i));
    blocks.emplace_back(options[i], num_channels, generator);
    num_channels = options[i].filters;
  }
  return blocks;
}

/// Values that the last block's map holds for an input of this shape. Checks the options of the dense layer too, whose
/// number of inputs this is.
int64_t flattened_size(const EncoderOptions& options, const InputShape& input) {
  if (options.embedding_size < 1)
    throw ParameterError("embedding_size", std::to_string(options.embedding_size), "1 or more");
  if (!(options.embedding_dropout >= 0 && options.embedding_dropout < 1))
    throw ParameterError("embedding_dropout", std::to_string(options.embedding_dropout),
                         "a share from 0 up to 1, exclusive");
  InputShape shape = input;
  for (size_t i = 0; i < options.blocks.size(); ++i) {
    const InputShape output{.height = output_length(options.blocks[i], shape.height),
                            .width = output_length(options.blocks[i], shape.width)};
    if (output.height < 1 || output.width < 1)
      throw ParameterError("encoder",
                           std::to_string(options.blocks.size()) + " blocks on " + std::to_string(input.height) +
                               " bands x " + std::to_string(input.width) + " frames",
                           block_name(i) + " needs an input larger than the " + std::to_string(shape.height) + " x " +
                               std::to_string(shape.width) +
                               " that reaches it: fewer blocks, smaller kernels, or larger spectrograms");
    shape = output;
  }
  return (options.blocks.empty() ? 1 : options.blocks.back().filters) * shape.height * shape.width;
}

}  // namespace

Encoder::Encoder(const EncoderOptions& options, const InputShape& input, const at::Generator& generator)
    : options_(options),
      blocks_(make_blocks(options.blocks, generator)),
      dense_(flattened_size(options, input), options.embedding_size, generator) {
  if (options.input_batch_norm) input_norm_.emplace(1);
  if (options.embedding_batch_norm) embedding_norm_.emplace(options.embedding_size);
}

at::Tensor Encoder::forward(const at::Tensor& spectrograms, const Pass& pass) {
  const int64_t num_clips = spectrograms.size(0);
  const int64_t height = spectrograms.size(1);
  const int64_t width = spectrograms.size(2);
  at::Tensor x = spectrograms.unsqueeze(1);
  if (input_norm_) x = input_norm_->forward(x, pass);
  // With one channel both memory formats are the same bytes; the strides must say "channels last" for the
  // convolutions to keep it.
  x = x.as_strided({num_clips, 1, height, width}, {height * width, 1, width, 1});
  for (auto& block : blocks_) x = block.forward(x, pass);
  x = dense_.forward(x.flatten(1));
  if (embedding_norm_) x = embedding_norm_->forward(x, pass);
  return dropout(x.sigmoid(), options_.embedding_dropout, pass);
}

NamedTensors Encoder::parameters() const {
  NamedTensors all;
  if (input_norm_) append(all, "input_norm", input_norm_->parameters());
  for (size_t i = 0; i < blocks_.size(); ++i) append(all, block_name(i), blocks_[i].parameters());
  append(all, "dense", dense_.parameters());
  if (embedding_norm_) append(all, "embedding_norm", embedding_norm_->parameters());
  return all;
}

NamedTensors Encoder::buffers() const {
  NamedTensors all;
  if (input_norm_) append(all, "input_norm", input_norm_->buffers());
  for (size_t i = 0; i < blocks_.size(); ++i) append(all, block_name(i), blocks_[i].buffers());
  if (embedding_norm_) append(all, "embedding_norm", embedding_norm_->buffers());
  return all;
}

}  // namespace siamaudio

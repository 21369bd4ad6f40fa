// The convolutional encoder that turns one spectrogram into one embedding.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/batch_norm.h"
#include "model/conv_block.h"
#include "model/dense.h"
#include "model/named_tensors.h"
#include "model/pass.h"

namespace siamaudio {

/// Honka 2019: batch norm on the input, blocks, flatten, dense layer, batch norm, sigmoid, dropout.
struct EncoderOptions {
  bool input_batch_norm = true;
  std::vector<ConvBlockOptions> blocks{3};
  int64_t embedding_size = 500;  ///< units of the dense layer
  bool embedding_batch_norm = true;
  double embedding_dropout = 0.25;
};

/// One channel of `height` bands and `width` frames.
struct InputShape {
  int64_t height = 0;
  int64_t width = 0;
};

class Encoder {
 public:
  /// Throws ParameterError, naming the block for which the input became too small.
  Encoder(const EncoderOptions& options, const InputShape& input, const at::Generator& generator);

  /// spectrograms: (clips, height, width) -> embeddings (clips, embedding_size) in [0, 1] outside training.
  at::Tensor forward(const at::Tensor& spectrograms, const Pass& pass);

  NamedTensors parameters() const;  ///< what training changes
  NamedTensors buffers() const;     ///< running statistics

 private:
  EncoderOptions options_;
  std::vector<ConvBlock> blocks_;
  Dense dense_;
  std::optional<BatchNorm> input_norm_;
  std::optional<BatchNorm> embedding_norm_;
};

}  // namespace siamaudio

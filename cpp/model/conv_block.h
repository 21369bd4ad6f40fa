// One block of a convolutional encoder: convolution, batch normalisation, ReLU, max pooling, dropout.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/batch_norm.h"
#include "model/named_tensors.h"
#include "model/pass.h"

namespace siamaudio {

struct ConvBlockOptions {
  int64_t filters = 64;
  int64_t kernel_size = 5;  ///< positions in height and width; no padding ("valid")
  bool batch_norm = true;
  int64_t pool_size = 2;  ///< side and stride of the max pooling; 1: none
  double dropout = 0.25;  ///< share of the pooled activations set to zero in training
};

/// Throws ParameterError, its parameter name starting with `name`.
void check(const ConvBlockOptions& options, const std::string& name);

/// Side of the block's output map for an input map of side `length`; 0 or less where the input is too small.
int64_t output_length(const ConvBlockOptions& options, int64_t length);

class ConvBlock {
 public:
  ConvBlock(const ConvBlockOptions& options, int64_t num_input_channels, const at::Generator& generator);

  /// x: (clips, channels, height, width), channels last in memory.
  at::Tensor forward(const at::Tensor& x, const Pass& pass);

  NamedTensors parameters() const;
  NamedTensors buffers() const;

 private:
  ConvBlockOptions options_;
  at::Tensor weight_;  // (filters, input channels, kernel, kernel)
  at::Tensor bias_;    // (filters,)
  std::optional<BatchNorm> batch_norm_;
};

}  // namespace siamaudio

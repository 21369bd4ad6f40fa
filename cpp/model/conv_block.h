// One block of a convolutional encoder: convolution, batch normalisation, activation, pooling, dropout.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "model/activation.h"
#include "model/batch_norm.h"
#include "model/layer_info.h"
#include "model/map_shape.h"
#include "model/named_tensors.h"
#include "model/pass.h"

namespace siamaudio {

enum class Padding {
  kValid,  ///< none: a kernel's positions lie inside the map
  kSame,   ///< Keras's: zeros around the map, so that ceil(length / stride) positions come out; an odd zero at the end
};

/// "valid" or "same". Throws ParameterError.
Padding parse_padding(const std::string& name);

enum class Pooling {
  kNone,
  kMax,
  kAverage,
};

/// "none", "max" or "average". Throws ParameterError.
Pooling parse_pooling(const std::string& name);

struct ConvBlockOptions {
  int64_t filters = 64;
  Extent kernel_size{.height = 5, .width = 5};  ///< positions
  Extent stride{.height = 1, .width = 1};       ///< positions from one kernel to the next
  Padding padding = Padding::kValid;
  bool batch_norm = true;
  Activation activation = Activation::kRelu;
  Pooling pooling = Pooling::kMax;
  Extent pool_size{.height = 2, .width = 2};  ///< positions of a pool and from one to the next; a rest is left out
  double dropout = 0.25;                      ///< share of the pooled activations set to zero in training
};

/// Throws ParameterError, its parameter name starting with `name`.
void check(const ConvBlockOptions& options, const std::string& name);

/// Shape of the block's output; a side of 0 where the input is too small.
MapShape output_shape(const ConvBlockOptions& options, const MapShape& input);

class ConvBlock {
 public:
  ConvBlock(const ConvBlockOptions& options, int64_t num_input_channels, const at::Generator& generator);

  /// x: (clips, channels, height, width), channels last in memory. With `kernels` by as many of them as serve the
  /// block, which needs float32 on a CPU and, outside training, no gradients.
  at::Tensor forward(const at::Tensor& x, const Pass& pass, const Kernels* kernels = nullptr);

  /// Whether forward_first serves this block as a network's first one.
  bool has_first_form(const Kernels& kernels) const;

  /// The input's batch norm, or null, and this block as one operation. x: (clips, 1, height, width), float32 on a CPU.
  at::Tensor forward_first(const at::Tensor& x, BatchNorm* input_norm, const Pass& pass, const Kernels& kernels);

  NamedTensors parameters() const;
  NamedTensors buffers() const;
  /// How they are computed is told for these kernels, or none; a network's first block has a form of its own.
  std::vector<LayerInfo> layers(const std::string& name, const MapShape& input, const Kernels* kernels,
                                bool is_first) const;
  const ConvBlockOptions& options() const { return options_; }

 private:
  at::Tensor convolve(const at::Tensor& x, const Pass& pass, const Kernels* kernels) const;
  std::optional<std::string> fused_refusal(const Kernels& kernels) const;
  std::string convolution_path(const MapShape& input, const Kernels* kernels) const;

  ConvBlockOptions options_;
  at::Tensor weight_;  // (filters, input channels, kernel height, kernel width)
  at::Tensor bias_;    // (filters,)
  std::optional<BatchNorm> batch_norm_;
};

}  // namespace siamaudio

// The convolutional encoder that turns one spectrogram into one embedding.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/batch_norm.h"
#include "model/conv_block.h"
#include "model/dense.h"
#include "model/layer_info.h"
#include "model/map_shape.h"
#include "model/named_tensors.h"
#include "model/pass.h"

namespace siamaudio {

/// How the last block's map (channels, height, width) becomes a vector. All but the first take maps of any width.
///
/// kFrequencyLevels gives another vector in training than afterwards: what the block before the last tells is added to
/// embeddings, but no loss sees it. Shaped for the training classes it would say less about others.
enum class MapPooling {
  kFlatten,           ///< every value: channels, then height, then width
  kGlobalAverage,     ///< mean over height and width: channels
  kGlobalMax,         ///< maximum over height and width: channels
  kGlobalAverageMax,  ///< both of these, one after the other: 2 channels
  kFrequency,         ///< mean over width + maximum over width: channels, then height
  kFrequencyLevels,   ///< kFrequency, kGlobalMax, and after training kFrequency of the block before, each of length 4
};

/// "flatten", "global_average", "global_max", "global_average_max", "frequency" or "frequency_levels". Throws
/// ParameterError.
MapPooling parse_map_pooling(const std::string& name);

/// Default: Honka 2019. Batch norm on the input, blocks, flatten, dense layer, batch norm, sigmoid, dropout.
struct EncoderOptions {
  bool input_batch_norm = true;  ///< one mean and deviation for each channel
  std::vector<ConvBlockOptions> blocks{3};
  MapPooling pooling = MapPooling::kFlatten;
  std::vector<DenseOptions> dense{1};  ///< the last one's output is the embedding; none: the pooled map is
  bool l2_normalize = false;           ///< embeddings of length 1
};

/// Of a spectrogram: channels (1 for (clips, height, width) arrays), bands, frames.
using InputShape = MapShape;

/// Outside training. Throws ParameterError, naming the block for which the input became too small.
int64_t embedding_size(const EncoderOptions& options, const InputShape& input);

class Encoder {
 public:
  /// Throws as embedding_size does.
  Encoder(const EncoderOptions& options, const InputShape& input, const at::Generator& generator);

  /// spectrograms: (clips, channels, height, width), or (clips, height, width) of one channel -> (clips, dim), in
  /// training (clips, trained_size). The width is free unless the map is flattened. Throws ParameterError for other
  /// shapes.
  at::Tensor forward(const at::Tensor& spectrograms, const Pass& pass);

  int64_t embedding_size() const { return embedding_size_; }
  int64_t trained_size() const { return trained_size_; }  ///< what the losses see, the embedding's first elements
  NamedTensors parameters() const;                        ///< what training changes
  NamedTensors buffers() const;                           ///< running statistics

  /// For an input of the constructor's shape, on a device of this type.
  std::vector<LayerInfo> layers(at::DeviceType device) const;

 private:
  void check_input(at::IntArrayRef shape) const;

  EncoderOptions options_;
  InputShape input_;
  int64_t pooled_size_;
  int64_t embedding_size_;
  int64_t trained_size_;
  std::optional<BatchNorm> input_norm_;
  std::vector<ConvBlock> blocks_;
  std::vector<Dense> dense_;
};

}  // namespace siamaudio

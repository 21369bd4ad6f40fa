// YAMNet as the encoder of a siamese network: the mean over a clip's patches, then dense layers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/dense.h"
#include "model/layer_info.h"
#include "model/map_shape.h"
#include "model/named_tensors.h"
#include "model/pass.h"
#include "model/yamnet.h"

namespace siamaudio {

struct YamnetEncoderOptions {
  bool trainable = false;           ///< whether training changes the convolutions, too
  std::vector<DenseOptions> dense;  ///< the last one's output is the embedding; none: the mean over patches is
  bool l2_normalize = false;        ///< embeddings of length 1
};

/// Throws ParameterError for layers out of range, and for an input other than (1, 64, 96 or more frames).
int64_t embedding_size(const YamnetEncoderOptions& options, const MapShape& input);

class YamnetEncoder {
 public:
  /// Throws as embedding_size does.
  YamnetEncoder(const YamnetEncoderOptions& options, const MapShape& input, const at::Generator& generator);

  /// spectrograms: (clips, [1,] 64, 96 or more frames), or what frozen_output made of them -> (clips, dim).
  at::Tensor forward(const at::Tensor& spectrograms, const Pass& pass);

  /// Whether a first part of it is left alone by training.
  bool is_frozen() const { return !options_.trainable; }

  /// What that part makes of clips: (clips, [1,] 64, frames) on any device -> (clips, 1, 1, 1024) on `device`, where
  /// the weights are. Blocks of patches, `poll` in between.
  at::Tensor frozen_output(const at::Tensor& spectrograms, at::Device device, const Pass& pass) const;

  int64_t embedding_size() const { return embedding_size_; }
  int64_t trained_size() const { return embedding_size_; }  ///< what the losses see
  NamedTensors parameters() const;                          ///< what training changes
  NamedTensors buffers() const;                             ///< running statistics, frozen weights

  /// For one clip of the constructor's shape.
  std::vector<LayerInfo> layers(at::DeviceType device) const;

 private:
  YamnetEncoderOptions options_;
  MapShape input_;
  int64_t embedding_size_;
  YamnetBody body_;
  std::vector<Dense> dense_;
};

}  // namespace siamaudio

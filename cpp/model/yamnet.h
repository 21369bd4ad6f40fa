// YAMNet: MobileNet v1 on log-mel patches, as Plakal and Ellis trained it on AudioSet
// (https://github.com/tensorflow/models/tree/master/research/audioset/yamnet).
//
// Its weights come from elsewhere; batch norm is folded into them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/layer_info.h"
#include "model/linear.h"
#include "model/named_tensors.h"
#include "model/pass.h"

namespace siamaudio {

constexpr int64_t kYamnetBands = 64;
constexpr int64_t kYamnetPatchFrames = 96;
constexpr int64_t kYamnetPatchHop = 48;  // frames from the beginning of a patch to that of the next
constexpr int64_t kYamnetSize = 1024;    // of an embedding

/// 27 convolutions, each with a bias and a ReLU, then the mean over all positions.
class YamnetBody {
 public:
  /// Glorot-uniform weights, zero biases.
  explicit YamnetBody(const at::Generator& generator);

  /// patches: (n, 64 bands, 96 frames) -> (n, 1024).
  at::Tensor forward(const at::Tensor& patches, const Pass& pass) const;

  NamedTensors weights() const;  ///< "layer1.conv.weight", "layer1.conv.bias", "layer2.depthwise_conv.weight", ...
  std::vector<LayerInfo> layers(bool is_trainable) const;  ///< for one patch

 private:
  struct Convolution {
    std::string name;
    int64_t stride;
    int64_t num_groups;
    at::Tensor weight;  // (filters, input channels / groups, bands, frames)
    at::Tensor bias;    // (filters,)
  };

  std::vector<Convolution> convolutions_;
};

/// All whole patches: (clips, 64, frames) -> (clips, patches, 64, 96), a view. Throws ParameterError for other shapes
/// and for fewer than 96 frames.
at::Tensor yamnet_patches(const at::Tensor& spectrograms);

/// embeddings of all patches, outside training: (clips, 64, frames) on any device -> (clips, patches, 1024) on
/// `device`, where the body is. Blocks of patches, `poll` in between.
at::Tensor embed_patches(const YamnetBody& body, const at::Tensor& spectrograms, at::Device device, const Pass& pass);

/// The body and its classifier.
class Yamnet {
 public:
  /// Weights of no meaning. Throws ParameterError for no class.
  explicit Yamnet(int64_t num_classes);

  /// spectrograms: (clips, 64, frames) -> (clips, patches, 1024) on the CPU.
  at::Tensor embed(const at::Tensor& spectrograms, const Poll& poll) const;

  /// embeddings: (n, 1024) -> (n, classes) on the CPU, each in [0, 1]: classes do not exclude each other.
  at::Tensor scores(const at::Tensor& embeddings) const;

  NamedTensors weights() const;  ///< the body's, "dense.weight", "dense.bias"

  /// Copies the values of `values`, which has the names and shapes of weights().
  void set_weights(const NamedTensors& values);

  int64_t num_classes() const { return num_classes_; }
  void to(at::Device device);

 private:
  int64_t num_classes_;
  YamnetBody body_;
  Linear dense_;
  at::Device device_{at::kCPU};
};

}  // namespace siamaudio

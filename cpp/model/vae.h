// The variational autoencoder (Kingma and Welling 2014) of gated convolutions of Pedersen 2023, figure 2.9.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/poll.h"
#include "model/batch_norm.h"
#include "model/encoder.h"
#include "model/layer_info.h"
#include "model/linear.h"
#include "model/map_shape.h"
#include "model/named_tensors.h"
#include "model/pass.h"

namespace siamaudio {

struct VaeOptions {
  std::vector<int64_t> filters = {32, 64, 128, 256};  ///< of the encoder's layers; the decoder has them in reverse
  int64_t latent_dim = 64;                            ///< numbers that a clip becomes
  double min_variance = 1e-2;                         ///< > 0: of a pixel, where a band's pixels have 1 by themselves
};

/// q(z | x), a normal distribution for each number, all independent.
struct LatentDistribution {
  at::Tensor mean;          ///< (clips, latent_dim)
  at::Tensor log_variance;  ///< (clips, latent_dim)
};

/// p(x | z), likewise.
struct PixelDistribution {
  at::Tensor mean;      ///< (clips, channels, height, width)
  at::Tensor variance;  ///< (clips, channels, height, width), min_variance or more
};

/// A layer of either half: a convolution 3 x 3 of stride 2 that halves height and width, rounding up, or the transposed
/// one that undoes it; a gated linear unit (Dauphin et al. 2017); batch normalisation.
class GatedConv {
 public:
  enum class Direction { kDown, kUp };

  /// `output` is what it gives for one clip.
  GatedConv(Direction direction, int64_t num_channels, const MapShape& output, const at::Generator& generator);

  at::Tensor forward(const at::Tensor& x, const Pass& pass);

  const MapShape& output() const { return output_; }
  NamedTensors parameters() const;
  NamedTensors buffers() const;
  std::vector<LayerInfo> layers(const std::string& name) const;

 private:
  Direction direction_;
  MapShape output_;
  at::Tensor weight_;  // (2 filters, channels, 3, 3), upwards (channels, 2 filters, 3, 3)
  at::Tensor bias_;    // (2 filters,)
  BatchNorm norm_;
};

class Vae {
 public:
  /// Throws ParameterError for options or sides that are out of their range.
  Vae(const VaeOptions& options, const InputShape& input, uint64_t seed);

  /// spectrograms: (clips, height, width) of one channel, or (clips, channels, height, width) -> the latter. Throws
  /// ParameterError for other shapes.
  at::Tensor with_channels(const at::Tensor& spectrograms) const;

  // ---- The parts, as training uses them; all on device(), pixels standardised

  /// x: (clips, channels, height, width).
  LatentDistribution encode(const at::Tensor& x, const Pass& pass);

  /// z: (clips, latent_dim).
  PixelDistribution decode(const at::Tensor& z, const Pass& pass);

  /// (clips, channels, height, width) of the caller's unit, of which each band had mean 0 and variance 1 in what
  /// fit_scaling() saw.
  at::Tensor standardize(const at::Tensor& spectrograms) const;

  /// Learns mean and deviation of each band; a constant band is only shifted. As with_channels, on the CPU.
  void fit_scaling(const at::Tensor& spectrograms);

  // ---- Inference: from and to the CPU, in blocks of clips, `poll` in between; pixels of the caller's unit

  /// As with_channels -> (clips, latent_dim), the mean of q(z | x).
  at::Tensor embed(const at::Tensor& spectrograms, const Poll& poll);

  /// latents: (clips, latent_dim) -> p(x | z).
  PixelDistribution generate(const at::Tensor& latents, const Poll& poll);

  // ---- Weights

  NamedTensors parameters() const;  ///< what training changes: "encoder.*", "latent.*", "decoder.*", "pixels.*"
  NamedTensors weights() const;     ///< parameters, running statistics, "scaling.*"

  /// Copies the values of `values`, which has the names and shapes of weights().
  void set_weights(const NamedTensors& values);

  /// In the order of the data.
  std::vector<LayerInfo> layers() const;

  const VaeOptions& options() const { return options_; }
  const InputShape& input_shape() const { return input_; }
  at::Device device() const { return device_; }
  void to(at::Device device);

 private:
  VaeOptions options_;
  InputShape input_;
  std::vector<GatedConv> encoder_;
  std::vector<GatedConv> decoder_;
  std::unique_ptr<Linear> to_latent_;    // maps -> mean, then log variance
  std::unique_ptr<Linear> from_latent_;  // latent -> maps
  at::Tensor pixel_weight_;              // (filters, 2 channels, 3, 3): mean, then what becomes the variance
  at::Tensor pixel_bias_;                // (2 channels,)
  at::Tensor scaling_mean_;              // (channels, height, 1)
  at::Tensor scaling_std_;               // (channels, height, 1)
  at::Device device_{at::kCPU};
};

}  // namespace siamaudio

// Batch normalisation with Keras's defaults (Ioffe and Szegedy 2015).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/layer_info.h"
#include "model/named_tensors.h"
#include "model/pass.h"

namespace siamaudio {

class BatchNorm {
 public:
  static constexpr double kMomentum = 0.99;  ///< share of the running statistics that an update keeps
  static constexpr double kEpsilon = 1e-3;   ///< added to the variance

  explicit BatchNorm(int64_t num_channels);

  /// x: (clips, channels, ...). Training normalises by the batch's statistics and moves the running ones: during the
  /// first 1 / (1 - momentum) updates they are plain means over the updates so far, afterwards Keras's moving average.
  /// (Keras starts from mean 0 and variance 1, which a short training never forgets.)
  at::Tensor forward(const at::Tensor& x, const Pass& pass);

  /// Moves the running statistics as forward() in training does; mean and variance (not corrected for bias) of a batch
  /// with `count` values a channel.
  void track(const at::Tensor& mean, const at::Tensor& variance, int64_t count);

  const at::Tensor& weight() const { return weight_; }
  const at::Tensor& bias() const { return bias_; }
  const at::Tensor& running_mean() const { return running_mean_; }
  const at::Tensor& running_variance() const { return running_variance_; }

  NamedTensors parameters() const { return {{"weight", weight_}, {"bias", bias_}}; }
  NamedTensors buffers() const {
    return {{"running_mean", running_mean_}, {"running_variance", running_variance_}, {"num_updates", num_updates_}};
  }
  LayerInfo layer(const std::string& name, std::vector<int64_t> shape) const;

 private:
  double next_step();  // share of a new batch's statistics in the running ones

  at::Tensor weight_;            // γ (channels,)
  at::Tensor bias_;              // β (channels,)
  at::Tensor running_mean_;      // (channels,)
  at::Tensor running_variance_;  // (channels,)
  at::Tensor num_updates_;       // int64, on the CPU
};

}  // namespace siamaudio

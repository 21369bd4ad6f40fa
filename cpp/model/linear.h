// Weighted sums.
#pragma once

#include <cstdint>
#include <string>

#include "model/layer_info.h"
#include "model/named_tensors.h"
#include "model/pass.h"

namespace siamaudio {

/// y = x Wᵀ + b, Glorot-uniform weights, zero bias.
class Linear {
 public:
  Linear(int64_t num_inputs, int64_t units, const at::Generator& generator);

  /// x: (..., inputs) -> (..., units).
  at::Tensor forward(const at::Tensor& x) const;

  /// The same for x (clips, inputs), the memory of the weight's gradient, which may be the largest one of a training
  /// step, taken from the pass's workspace.
  at::Tensor forward(const at::Tensor& x, const Pass& pass) const;

  NamedTensors parameters() const { return {{"weight", weight_}, {"bias", bias_}}; }
  LayerInfo layer(const std::string& name) const;

 private:
  at::Tensor weight_;  // (units, inputs)
  at::Tensor bias_;    // (units,)
};

}  // namespace siamaudio

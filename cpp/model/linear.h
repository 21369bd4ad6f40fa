// Weighted sums.
#pragma once

#include <cstdint>
#include <string>

#include "model/layer_info.h"
#include "model/named_tensors.h"

namespace siamaudio {

/// y = x Wᵀ + b, Glorot-uniform weights, zero bias.
class Linear {
 public:
  Linear(int64_t num_inputs, int64_t units, const at::Generator& generator);

  /// x: (..., inputs) -> (..., units).
  at::Tensor forward(const at::Tensor& x) const;

  NamedTensors parameters() const { return {{"weight", weight_}, {"bias", bias_}}; }
  LayerInfo layer(const std::string& name) const;

 private:
  at::Tensor weight_;  // (units, inputs)
  at::Tensor bias_;    // (units,)
};

}  // namespace siamaudio

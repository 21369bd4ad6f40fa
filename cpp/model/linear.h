// Weighted sums.
#pragma once

#include <cstdint>

#include "model/named_tensors.h"

namespace siamaudio {

/// y = x Wᵀ + b, Glorot-uniform weights, zero bias.
class Linear {
 public:
  Linear(int64_t num_inputs, int64_t units, const at::Generator& generator);

  /// x: (..., inputs) -> (..., units).
  at::Tensor forward(const at::Tensor& x) const;

  const at::Tensor& weight() const { return weight_; }  ///< (units, inputs)
  const at::Tensor& bias() const { return bias_; }      ///< (units,)
  NamedTensors parameters() const { return {{"weight", weight_}, {"bias", bias_}}; }

 private:
  at::Tensor weight_;
  at::Tensor bias_;
};

}  // namespace siamaudio

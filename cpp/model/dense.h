// One fully connected layer of an encoder: weighted sums, batch normalisation, activation, dropout.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/activation.h"
#include "model/batch_norm.h"
#include "model/layer_info.h"
#include "model/linear.h"
#include "model/named_tensors.h"
#include "model/pass.h"

namespace siamaudio {

struct DenseOptions {
  int64_t units = 500;
  bool batch_norm = true;
  Activation activation = Activation::kSigmoid;
  double dropout = 0.25;  ///< share of the outputs set to zero in training
};

/// Throws ParameterError, its parameter name starting with `name`.
void check(const DenseOptions& options, const std::string& name);

class Dense {
 public:
  Dense(const DenseOptions& options, int64_t num_inputs, const at::Generator& generator);

  /// x: (clips, inputs) -> (clips, units).
  at::Tensor forward(const at::Tensor& x, const Pass& pass);

  NamedTensors parameters() const;
  NamedTensors buffers() const;
  std::vector<LayerInfo> layers(const std::string& name) const;

 private:
  DenseOptions options_;
  Linear linear_;
  std::optional<BatchNorm> norm_;
};

}  // namespace siamaudio

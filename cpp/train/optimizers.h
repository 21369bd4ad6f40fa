// Optimizers over the parameters of a network.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace siamaudio {

struct AdamOptions {
  double learning_rate = 1e-3;
  double decay = 0;  ///< Keras's inverse-time decay: learning_rate / (1 + decay × updates so far)
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-7;  ///< Keras's default
};

/// Adam (Kingma and Ba 2015, algorithm 1) by LibTorch's fused kernel.
class Adam {
 public:
  /// The parameters' values are changed in place by step().
  Adam(std::vector<at::Tensor> parameters, const AdamOptions& options);

  /// One update from the gradients that backward() left, which it then clears.
  void step();

  /// The rate that the next step() uses.
  double learning_rate() const {
    return options_.learning_rate / (1 + options_.decay * static_cast<double>(num_updates_));
  }

 private:
  AdamOptions options_;
  int64_t num_updates_ = 0;
  std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> means_;      // of the gradients
  std::vector<at::Tensor> variances_;  // uncentred
  std::vector<at::Tensor> counts_;     // updates so far, as the fused kernel wants them
};

}  // namespace siamaudio

// Losses of pairs.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace siamaudio {

enum class PairLoss {
  kBinaryCrossEntropy,  ///< -y log p - (1 - y) log(1 - p)
  kMeanSquaredError,    ///< (p - y)²
};

/// "bce" or "mse". Throws ParameterError.
PairLoss parse_pair_loss(const std::string& name);

/// Weighted sum over pairs of the loss of p = sigmoid(logit); all arguments (pairs,) float32.
/// is_same is 1 for pairs of one class, else 0; the weights add up to 1.
at::Tensor pair_loss(const at::Tensor& logits, const at::Tensor& is_same, const at::Tensor& weights, PairLoss loss);

}  // namespace siamaudio

#include "train/losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>

#include "base/errors.h"

namespace siamaudio {

PairLoss parse_pair_loss(const std::string& name) {
  if (name == "bce") return PairLoss::kBinaryCrossEntropy;
  if (name == "mse") return PairLoss::kMeanSquaredError;
  throw ParameterError("loss", name, "'bce' or 'mse'");
}

at::Tensor pair_loss(const at::Tensor& logits, const at::Tensor& is_same, const at::Tensor& weights, PairLoss loss) {
  if (loss == PairLoss::kBinaryCrossEntropy)
    return at::binary_cross_entropy_with_logits(logits, is_same, weights, {}, at::Reduction::Sum);
  return ((logits.sigmoid() - is_same).square() * weights).sum();
}

}  // namespace siamaudio

#include <ATen/TensorOperators.h>
#include <ATen/ops/lerp.h>

#include "train/augment_ops.h"

namespace siamaudio {

at::Tensor mixup(const at::Tensor& x, const at::Tensor& permutation, double weight) {
  return at::lerp(x.index_select(0, permutation.to(x.device())), x, weight);
}

at::Tensor mix_style(const at::Tensor& x, const at::Tensor& permutation, const at::Tensor& weights) {
  constexpr double kEpsilon = 1e-6;  // of the variance, as in the published code
  const at::Tensor others = permutation.to(x.device());
  const at::Tensor own = weights.to(x.options()).view({-1, 1, 1, 1});
  const at::Tensor mean = x.mean(3, /*keepdim=*/true);
  const at::Tensor centred = x - mean;
  const at::Tensor deviation = (centred.square().mean(3, /*keepdim=*/true) + kEpsilon).sqrt();
  const at::Tensor mixed_mean = at::lerp(mean.index_select(0, others), mean, own);
  const at::Tensor mixed_deviation = at::lerp(deviation.index_select(0, others), deviation, own);
  return centred * (mixed_deviation / deviation) + mixed_mean;
}

}  // namespace siamaudio

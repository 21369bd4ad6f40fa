#include "model/batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <functional>
#include <numeric>

namespace siamaudio {

BatchNorm::BatchNorm(int64_t num_channels)
    : weight_(at::ones({num_channels})),
      bias_(at::zeros({num_channels})),
      running_mean_(at::zeros({num_channels})),
      running_variance_(at::ones({num_channels})),
      num_updates_(at::zeros({}, at::kLong)) {}

double BatchNorm::next_step() {
  int64_t& num_updates = *num_updates_.data_ptr<int64_t>();
  ++num_updates;
  return std::max(1 - kMomentum, 1 / static_cast<double>(num_updates));
}

at::Tensor BatchNorm::forward(const at::Tensor& x, const Pass& pass) {
  // One value a channel has no variance: it trains, but the running statistics stay as they are.
  const bool has_variance = x.numel() > x.size(1);
  if (pass.is_training && !has_variance) return at::batch_norm(x, weight_, bias_, {}, {}, true, 0, kEpsilon, true);
  const double step = pass.is_training ? next_step() : 0;
  return at::batch_norm(x, weight_, bias_, running_mean_, running_variance_, pass.is_training, step, kEpsilon, true);
}

void BatchNorm::track(const at::Tensor& mean, const at::Tensor& variance, int64_t count) {
  if (count < 2) return;
  const at::NoGradGuard no_grad;
  const double step = next_step();
  const double correction = static_cast<double>(count) / static_cast<double>(count - 1);
  running_mean_.lerp_(mean.to(at::kFloat), step);
  running_variance_.lerp_((variance * correction).to(at::kFloat), step);
}

LayerInfo BatchNorm::layer(const std::string& name, std::vector<int64_t> shape) const {
  const int64_t num_values = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  return {.name = name,
          .kind = "batch_norm",
          .output_shape = std::move(shape),
          .num_parameters = weight_.numel() + bias_.numel(),
          .flops = 2 * num_values};
}

}  // namespace siamaudio

#include "train/moving_average.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "model/copy_values.h"

namespace siamaudio {

MovingAverage::MovingAverage(const NamedTensors& weights) : num_updates_(at::zeros({}, at::kLong)) {
  for (const auto& [name, tensor] : weights) {
    if (!tensor.is_floating_point()) continue;
    names_.push_back(name);
    weights_.push_back(tensor);
    averages_.push_back(tensor.detach().clone());
  }
}

void MovingAverage::update(double decay) {
  if (weights_.empty()) return;  // the kernel wants at least one
  const at::NoGradGuard no_grad;
  const auto count = num_updates_.item<double>();
  at::_foreach_lerp_(averages_, weights_, 1 - std::min(decay, (1 + count) / (10 + count)));
  num_updates_.add_(1);
}

void MovingAverage::swap() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < weights_.size(); ++i) {
    const at::Tensor average = averages_[i].clone();
    averages_[i].copy_(weights_[i]);
    weights_[i].copy_(average);
  }
}

NamedTensors MovingAverage::state() const {
  NamedTensors state;
  for (size_t i = 0; i < names_.size(); ++i) state.emplace_back(names_[i], averages_[i]);
  state.emplace_back("num_updates", num_updates_);
  return state;
}

void MovingAverage::load_state(const NamedTensors& state) { copy_values(this->state(), state, "moving average"); }

}  // namespace siamaudio

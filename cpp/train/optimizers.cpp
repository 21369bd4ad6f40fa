#include "train/optimizers.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace siamaudio {

Adam::Adam(std::vector<at::Tensor> parameters, const AdamOptions& options)
    : options_(options), parameters_(std::move(parameters)) {
  for (const auto& parameter : parameters_) {
    const at::Tensor values = parameter.detach();
    means_.push_back(at::zeros_like(values));
    variances_.push_back(at::zeros_like(values));
    counts_.push_back(at::zeros({}, values.options()));
  }
}

void Adam::step() {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> values;
  std::vector<at::Tensor> gradients;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    values.push_back(parameters_[i].detach());
    gradients.push_back(parameters_[i].grad());
    counts_[i].add_(1);
  }
  at::_fused_adam_(values, gradients, means_, variances_, {}, counts_, learning_rate(), options_.beta1, options_.beta2,
                   /*weight_decay=*/0, options_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  for (auto& parameter : parameters_) parameter.mutable_grad().reset();
  ++num_updates_;
}

}  // namespace siamaudio

// Copies of a network's tensors, and gradients for a scope.
#pragma once

#include <ATen/core/grad_mode.h>

#include <utility>
#include <vector>

#include "model/named_tensors.h"

namespace siamaudio {

/// The values that tensors had when the object was made or last took them, and the way back.
class Snapshot {
 public:
  explicit Snapshot(NamedTensors tensors) : tensors_(std::move(tensors)) {
    for (const auto& [name, tensor] : tensors_) values_.emplace_back(name, tensor.detach().clone());
  }
  void take() { copy(/*back=*/false); }
  void restore() { copy(/*back=*/true); }

  /// What is kept; its own tensors, not copies.
  const NamedTensors& values() const { return values_; }

 private:
  void copy(bool back) {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < values_.size(); ++i) {
      if (back)
        tensors_[i].second.copy_(values_[i].second);
      else
        values_[i].second.copy_(tensors_[i].second);
    }
  }

  NamedTensors tensors_;
  NamedTensors values_;
};

/// Turns gradients on for a scope and clears what is left of them at its end.
class RequireGradients {
 public:
  explicit RequireGradients(NamedTensors parameters) : parameters_(std::move(parameters)) {
    for (const auto& [name, parameter] : parameters_) parameter.set_requires_grad(true);
  }
  ~RequireGradients() {
    for (const auto& [name, parameter] : parameters_) {
      parameter.mutable_grad().reset();
      parameter.set_requires_grad(false);
    }
  }
  RequireGradients(const RequireGradients&) = delete;
  RequireGradients& operator=(const RequireGradients&) = delete;

 private:
  NamedTensors parameters_;
};

}  // namespace siamaudio

// What a layer needs to know of the pass through the network that it is part of.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "base/poll.h"
#include "model/workspace.h"

namespace siamaudio {

/// Training: batch statistics and dropout, drawn from `dropout_generator` (of the tensors' device).
/// Otherwise: running statistics, no dropout. `poll` is called between layers, backward passes included. Large arrays
/// on the CPU come from `workspace`.
struct Pass {
  bool is_training = false;
  at::Generator dropout_generator;
  // NOLINTBEGIN(readability-redundant-member-init): GCC warns where a designated initialiser leaves them out
  Poll poll = {};
  Workspace workspace = {};
  // NOLINTEND(readability-redundant-member-init)
};

/// Calls the poll now, and again when the gradient of `activation` arrives here on the way back.
inline void poll_both_ways(const at::Tensor& activation, const Pass& pass) {
  if (!pass.poll) return;
  pass.poll();
  if (activation.requires_grad()) activation.register_hook([poll = pass.poll](const at::Tensor&) { poll(); });
}

}  // namespace siamaudio

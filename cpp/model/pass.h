// What a layer needs to know of the pass through the network that it is part of.
#pragma once

#include <ATen/core/Generator.h>

#include "base/poll.h"

namespace siamaudio {

/// Training: batch statistics and dropout, drawn from `dropout_generator` (of the tensors' device).
/// Otherwise: running statistics, no dropout. `poll` is called between layers, backward passes included.
struct Pass {
  bool is_training = false;
  at::Generator dropout_generator;
  Poll poll;
};

}  // namespace siamaudio

// The weights of a network, by name.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace siamaudio {

/// In the order in which the network uses them; a name is the path to the layer and the tensor's own name, as in
/// "encoder.block1.conv.weight". The tensors are the network's own, not copies.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Appends `tensors`, with `prefix` and a dot before each name.
inline void append(NamedTensors& all, const std::string& prefix, const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) all.emplace_back(prefix + "." + name, tensor);
}

}  // namespace siamaudio

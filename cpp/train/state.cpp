#include "train/state.h"

#include <ATen/core/grad_mode.h>

#include <map>

#include "base/errors.h"

namespace siamaudio {

void copy_values(const NamedTensors& to, const NamedTensors& from, const std::string& what) {
  std::map<std::string, at::Tensor> values(from.begin(), from.end());
  for (const auto& [name, tensor] : to) {
    const auto value = values.find(name);
    if (value == values.end()) throw ParameterError(what, "no '" + name + "'", "all values of its state");
    if (value->second.sizes() != tensor.sizes())
      throw ParameterError(what, "another shape for '" + name + "'", "a state of the same network");
  }
  if (from.size() != to.size())
    throw ParameterError(what, std::to_string(from.size()) + " values",
                         "the " + std::to_string(to.size()) + " of its state");

  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : to) tensor.copy_(values.at(name));
}

}  // namespace siamaudio

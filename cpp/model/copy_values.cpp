#include "model/copy_values.h"

#include <ATen/core/grad_mode.h>

#include <map>

#include "base/errors.h"

namespace siamaudio {

void copy_values(const NamedTensors& to, const NamedTensors& from, const std::string& what) {
  std::map<std::string, at::Tensor> values(from.begin(), from.end());
  for (const auto& [name, tensor] : to) {
    const auto value = values.find(name);
    if (value == values.end()) throw ParameterError(what, "no '" + name + "'", "every one of its arrays");
    if (value->second.sizes() != tensor.sizes())
      throw ParameterError(what, "another shape for '" + name + "'", "the shapes that its own arrays have");
  }
  if (from.size() != to.size())
    throw ParameterError(what, std::to_string(from.size()) + " arrays",
                         "the " + std::to_string(to.size()) + " that it has");

  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : to) tensor.copy_(values.at(name));
}

}  // namespace siamaudio

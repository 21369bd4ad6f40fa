// Named tensors read back by name: the weights of a network, what an optimizer remembers.
#pragma once

#include <string>

#include "model/named_tensors.h"

namespace siamaudio {

/// Copies the values of `from` into the tensors of `to`, whatever the order. Throws ParameterError, `what` being the
/// parameter, where a name is missing or unknown or a shape differs; then nothing has been copied.
void copy_values(const NamedTensors& to, const NamedTensors& from, const std::string& what);

}  // namespace siamaudio

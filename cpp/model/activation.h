// What follows a weighted sum.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace siamaudio {

/// The functions that Keras's `activation="..."` names, with its constants.
enum class Activation {
  kLinear,     ///< x
  kRelu,       ///< max(0, x)
  kLeakyRelu,  ///< x above 0, else 0.2 x
  kElu,        ///< x above 0, else e^x - 1
  kGelu,       ///< x Φ(x), Φ the normal distribution, not its approximation (Hendrycks and Gimpel 2016)
  kSigmoid,    ///< 1 / (1 + e^-x)
  kTanh,       ///< hyperbolic tangent
};

/// "linear", "relu", "leaky_relu", "elu", "gelu", "sigmoid" or "tanh". Throws ParameterError.
Activation parse_activation(const std::string& name);

/// Element by element.
at::Tensor activate(const at::Tensor& x, Activation activation);

/// It nowhere falls, so a maximum may be taken before it as well as after it.
inline bool is_rising(Activation activation) { return activation != Activation::kGelu; }

}  // namespace siamaudio

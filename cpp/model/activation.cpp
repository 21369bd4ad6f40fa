#include "model/activation.h"

#include <ATen/ops/elu.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tanh.h>

#include "base/choices.h"

namespace siamaudio {

Activation parse_activation(const std::string& name) {
  constexpr Choices<Activation, 7> kActivations{{{"linear", Activation::kLinear},
                                                 {"relu", Activation::kRelu},
                                                 {"leaky_relu", Activation::kLeakyRelu},
                                                 {"elu", Activation::kElu},
                                                 {"gelu", Activation::kGelu},
                                                 {"sigmoid", Activation::kSigmoid},
                                                 {"tanh", Activation::kTanh}}};
  return parse_choice("activation", name, kActivations);
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
  constexpr double kLeakySlope = 0.2;
  switch (activation) {
    case Activation::kLinear:
      return x;
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kLeakyRelu:
      return at::leaky_relu(x, kLeakySlope);
    case Activation::kElu:
      return at::elu(x);
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kSigmoid:
      return at::sigmoid(x);
    case Activation::kTanh:
      return at::tanh(x);
  }
  return x;  // not reached
}

}  // namespace siamaudio

#include "model/linear.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "model/init.h"
#include "tensors.h"

namespace siamaudio {
namespace {

TEST(Linear, GradientsInTheWorkspaceAreLibTorchs) {
  const Linear layer(7, 5, make_generator(at::kCPU, 1));
  const NamedTensors parameters = layer.parameters();
  for (const auto& [name, parameter] : parameters) parameter.requires_grad_(true);
  const at::Tensor upstream = noise_tensor({4, 5}, 2);
  const auto gradients = [&](const auto& forward) {
    const at::Tensor x = noise_tensor({4, 7}, 3).requires_grad_(true);
    (forward(x) * upstream).sum().backward();
    std::vector<at::Tensor> all{x.grad()};
    for (const auto& [name, parameter] : parameters) {
      all.push_back(parameter.grad().clone());
      parameter.mutable_grad().reset();
    }
    return all;
  };
  const Pass pass{.is_training = true, .dropout_generator = {}};
  const auto ours = gradients([&](const at::Tensor& x) { return layer.forward(x, pass); });
  const auto theirs = gradients([&](const at::Tensor& x) { return layer.forward(x); });
  // Two sides of a batch add up.
  const auto twice = gradients([&](const at::Tensor& x) { return layer.forward(x, pass) + layer.forward(x, pass); });
  for (size_t i = 0; i < ours.size(); ++i) {
    expect_close(values(ours[i]), values(theirs[i]), 1e-6);
    expect_close(values(twice[i]), values(theirs[i] * 2), 1e-6);
  }
}

}  // namespace
}  // namespace siamaudio

#include "model/convolution.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/winograd.h"

namespace siamaudio {
namespace {

constexpr int64_t kMostFlops = 12'000'000'000;  // of a convolution on the way there, half of those on the way back

struct WinogradBackward final : torch::autograd::Node {
  at::Tensor x;
  at::Tensor weight;
  Extent padding;
  const Kernels* kernels = nullptr;
  Pass pass;

  std::string name() const override { return "WinogradBackward"; }

  void release_variables() override {
    x.reset();
    weight.reset();
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    torch::autograd::variable_list all(3);
    const at::Tensor& gradient = gradients[0];
    if (!gradient.defined()) return all;
    if (task_should_compute_output(1) || task_should_compute_output(2)) {
      const ConvolutionGradients parameters =
          winograd_weight_gradient(*kernels, x, gradient, weight.size(2), padding, pass.workspace);
      all[1] = parameters.weight;
      all[2] = parameters.bias;
      if (pass.poll) pass.poll();
    }
    if (task_should_compute_output(0)) {
      const Extent sides{.height = x.size(2), .width = x.size(3)};
      all[0] = winograd_input_gradient(*kernels, gradient, weight, sides, padding, pass.workspace);
    }
    return all;
  }
};

}  // namespace

at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Extent& stride,
                       const Extent& padding, const Pass& pass, const Kernels* kernels) {
  if (kernels != nullptr && winograd_serves(*kernels, x, weight, stride, padding)) {
    const at::Tensor y =
        winograd_convolution(*kernels, x.detach(), weight.detach(), bias.detach(), padding, pass.workspace);
    if (torch::autograd::compute_requires_grad(x, weight, bias)) {
      const auto node = c10::make_intrusive<WinogradBackward>();
      node->x = x.detach();
      node->weight = weight.detach();
      node->padding = padding;
      node->kernels = kernels;
      node->pass = pass;
      node->set_next_edges(torch::autograd::collect_next_edges(x, weight, bias));
      torch::autograd::set_history(y, node);
    }
    poll_both_ways(y, pass);
    return y;
  }

  const at::Tensor last = weight.contiguous(at::MemoryFormat::ChannelsLast);
  const auto convolved = [&](const at::Tensor& clips) {
    at::Tensor y = at::conv2d(clips, last, bias, {stride.height, stride.width}, {padding.height, padding.width});
    poll_both_ways(y, pass);
    return y;
  };
  const int64_t positions = x.size(2) * x.size(3) / (stride.height * stride.width);
  const int64_t part = std::max<int64_t>(1, kMostFlops / (2 * weight.numel() * std::max<int64_t>(1, positions)));
  if (!x.is_cpu() || x.size(0) <= part) return convolved(x);
  std::vector<at::Tensor> parts;
  for (const at::Tensor& clips : x.split(part)) parts.push_back(convolved(clips));
  return at::cat(parts);
}

}  // namespace siamaudio

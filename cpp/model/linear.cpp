#include "model/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include "model/init.h"

namespace siamaudio {
namespace {

struct LinearBackward final : torch::autograd::Node {
  at::Tensor x;
  at::Tensor weight;
  Workspace workspace;

  std::string name() const override { return "LinearBackward"; }

  void release_variables() override {
    x.reset();
    weight.reset();
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    torch::autograd::variable_list all(3);
    const at::Tensor& gradient = gradients[0];
    if (!gradient.defined()) return all;
    if (task_should_compute_output(0)) all[0] = gradient.mm(weight);
    all[1] = workspace.take(weight.sizes());
    at::mm_out(all[1], gradient.t(), x);
    all[2] = gradient.sum(0);
    return all;
  }
};

}  // namespace

Linear::Linear(int64_t num_inputs, int64_t units, const at::Generator& generator)
    : weight_(glorot_uniform({units, num_inputs}, generator)), bias_(at::zeros({units})) {}

at::Tensor Linear::forward(const at::Tensor& x) const { return at::linear(x, weight_, bias_); }

at::Tensor Linear::forward(const at::Tensor& x, const Pass& pass) const {
  const bool is_served = x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 2;
  if (!is_served || !torch::autograd::compute_requires_grad(x, weight_, bias_)) return forward(x);
  at::Tensor y = at::linear(x.detach(), weight_.detach(), bias_.detach());
  const auto node = c10::make_intrusive<LinearBackward>();
  node->x = x.detach();
  node->weight = weight_.detach();
  node->workspace = pass.workspace;
  node->set_next_edges(torch::autograd::collect_next_edges(x, weight_, bias_));
  torch::autograd::set_history(y, node);
  return y;
}

LayerInfo Linear::layer(const std::string& name) const {
  return {.name = name,
          .kind = "dense",
          .output_shape = {bias_.numel()},
          .num_parameters = weight_.numel() + bias_.numel(),
          .flops = 2 * weight_.numel()};
}

}  // namespace siamaudio

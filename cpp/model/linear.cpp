#include "model/linear.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

#include "model/init.h"

namespace siamaudio {

Linear::Linear(int64_t num_inputs, int64_t units, const at::Generator& generator)
    : weight_(glorot_uniform({units, num_inputs}, generator)), bias_(at::zeros({units})) {}

at::Tensor Linear::forward(const at::Tensor& x) const { return at::linear(x, weight_, bias_); }

LayerInfo Linear::layer(const std::string& name) const {
  return {.name = name,
          .kind = "dense",
          .output_shape = {bias_.numel()},
          .num_parameters = weight_.numel() + bias_.numel(),
          .flops = 2 * weight_.numel()};
}

}  // namespace siamaudio

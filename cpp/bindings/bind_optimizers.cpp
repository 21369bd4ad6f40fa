#include <pybind11/stl.h>

#include <optional>

#include "base/errors.h"
#include "bindings/core_module.h"
#include "bindings/tensors.h"
#include "train/optimizers.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

/// 0, which stands for none in the core, is no value that a caller may give.
double value_or_0(const char* name, const std::optional<double>& value) {
  if (value && !(*value > 0)) throw ParameterError(name, std::to_string(*value), "a number above 0, or none");
  return value.value_or(0);
}

/// Parameter i is "parameter<i>", `gradients[s][i]` its gradient in step s, `lrs[s]` the rate of step s.
std::vector<py::array_t<float>> optimizer_steps(const OptimizerOptions& options,
                                                const std::vector<ArrayOf<float>>& parameters,
                                                const std::vector<std::vector<ArrayOf<float>>>& gradients,
                                                const std::vector<double>& lrs) {
  if (gradients.size() != lrs.size())
    throw ParameterError("gradients", std::to_string(gradients.size()) + " steps",
                         std::to_string(lrs.size()) + ", one for each rate");
  NamedTensors tensors;
  for (const auto& array : parameters)
    tensors.emplace_back("parameter" + std::to_string(tensors.size()), as_tensor(array).clone().requires_grad_(true));
  const auto optimizer = make_optimizer(options, tensors);
  for (size_t step = 0; step < lrs.size(); ++step) {
    if (gradients[step].size() != tensors.size())
      throw ParameterError("gradients", std::to_string(gradients[step].size()) + " arrays",
                           std::to_string(tensors.size()) + ", one for each parameter");
    for (size_t i = 0; i < tensors.size(); ++i) {
      const at::Tensor gradient = as_tensor(gradients[step][i]);
      const at::Tensor& parameter = tensors[i].second;
      if (gradient.sizes() != parameter.sizes())
        throw ParameterError("gradients", "another shape for parameter " + std::to_string(i), "its own shape");
      parameter.mutable_grad() = gradient.clone();
    }
    if (options.clip_norm > 0) clip_gradients(tensors, options.clip_norm);
    optimizer->step(lrs[step]);
  }
  std::vector<py::array_t<float>> arrays;
  for (const auto& [name, tensor] : tensors) arrays.push_back(to_array(tensor));
  return arrays;
}

}  // namespace

void bind_optimizers(py::module_& module) {
  const ScheduleOptions schedule;
  py::class_<ScheduleOptions>(module, "ScheduleOptions")
      .def(py::init([](const std::string& kind, double decay, double warmup, double final, double factor,
                       int64_t patience, double min_lr) {
             const ScheduleOptions options{.kind = parse_schedule(kind),
                                           .decay = decay,
                                           .warmup = warmup,
                                           .final = final,
                                           .factor = factor,
                                           .patience = patience,
                                           .min_lr = min_lr};
             check(options);
             return options;
           }),
           py::kw_only(), py::arg("kind"), py::arg("decay") = schedule.decay, py::arg("warmup") = schedule.warmup,
           py::arg("final") = schedule.final, py::arg("factor") = schedule.factor,
           py::arg("patience") = schedule.patience, py::arg("min_lr") = schedule.min_lr);

  const OptimizerOptions optimizer;
  py::class_<OptimizerOptions>(module, "OptimizerOptions")
      .def(py::init([](const std::string& kind, double lr, double momentum, bool nesterov, double rho, double beta_1,
                       double beta_2, double epsilon, double weight_decay, const std::optional<double>& clip_norm,
                       const std::optional<double>& moving_average, const ScheduleOptions& schedule) {
             const OptimizerOptions options{.kind = parse_optimizer(kind),
                                            .lr = lr,
                                            .momentum = momentum,
                                            .nesterov = nesterov,
                                            .rho = rho,
                                            .beta_1 = beta_1,
                                            .beta_2 = beta_2,
                                            .epsilon = epsilon,
                                            .weight_decay = weight_decay,
                                            .clip_norm = value_or_0("clip_norm", clip_norm),
                                            .moving_average = value_or_0("moving_average", moving_average),
                                            .schedule = schedule};
             check(options);
             return options;
           }),
           py::kw_only(), py::arg("kind"), py::arg("lr"), py::arg("momentum") = optimizer.momentum,
           py::arg("nesterov") = optimizer.nesterov, py::arg("rho") = optimizer.rho,
           py::arg("beta_1") = optimizer.beta_1, py::arg("beta_2") = optimizer.beta_2,
           py::arg("epsilon") = optimizer.epsilon, py::arg("weight_decay") = optimizer.weight_decay,
           py::arg("clip_norm") = py::none(), py::arg("moving_average") = py::none(),
           py::arg("schedule") = optimizer.schedule);

  module.def("optimizer_steps", &optimizer_steps, py::arg("options"), py::arg("parameters"), py::arg("gradients"),
             py::arg("lrs"),
             "What an optimizer makes of parameters, given the gradients [step][parameter] and the rate of each step; "
             "clip_norm holds, schedule and moving_average do not.");

  module.def("scheduled_lr", &scheduled_lr, py::arg("options"), py::arg("lr"), py::arg("step"), py::arg("total_steps"),
             "The rate of step `step`, from 0, of `total_steps`.");
}

}  // namespace siamaudio

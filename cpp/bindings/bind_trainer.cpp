#include <pybind11/stl.h>

#include <ATen/ops/empty.h>

#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "bindings/core_module.h"
#include "bindings/python_poll.h"
#include "bindings/tensors.h"
#include "model/device.h"
#include "train/objective.h"
#include "train/trainer.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

constexpr std::chrono::milliseconds kReportInterval{100};

using Tensors = std::map<std::string, py::array>;

py::dict to_dict(const EpochReport& report) {
  py::dict entry;
  entry["epoch"] = report.epoch;
  entry["loss"] = report.loss;
  entry["validation_accuracy"] = report.validation_accuracy;
  entry["lr"] = report.lr;
  entry["seconds"] = report.seconds;
  entry["clips_per_second"] = static_cast<double>(report.num_clips) / report.seconds;
  entry["num_clips"] = report.num_clips;
  entry["num_pairs"] = report.num_pairs;
  return entry;
}

/// Calls visit(name, member) for every member of a Progress.
template <typename ProgressType, typename Visit>
void visit_members(ProgressType& progress, const Visit& visit) {
  visit("epoch", progress.epoch);
  visit("step", progress.step);
  visit("total_steps", progress.total_steps);
  visit("plan", progress.plan);
  visit("position", progress.position);
  visit("loss_sum", progress.loss_sum);
  visit("num_clips", progress.num_clips);
  visit("num_pairs", progress.num_pairs);
  visit("seconds", progress.seconds);
  visit("best_epoch", progress.best_epoch);
  visit("best_accuracy", progress.best_accuracy);
  visit("is_finished", progress.is_finished);
}

py::dict to_dict(const Progress& progress) {
  py::dict entry;
  visit_members(progress, [&](const char* name, const auto& member) { entry[name] = member; });
  return entry;
}

Progress progress_from(const py::dict& entry) {
  Progress progress;
  visit_members(progress, [&](const char* name, auto& member) {
    member = entry[name].template cast<std::decay_t<decltype(member)>>();
  });
  return progress;
}

struct NumpyType {
  at::ScalarType type;
  const char* name;
};
constexpr NumpyType kNumpyTypes[] = {{at::kFloat, "float32"}, {at::kDouble, "float64"}, {at::kLong, "int64"}};

/// A copy with the tensor's own type.
py::array to_typed_array(const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().to(at::kCPU).contiguous();
  for (const auto& [type, name] : kNumpyTypes) {
    if (values.scalar_type() != type) continue;
    const auto sizes = values.sizes();
    py::array array(py::dtype(name), std::vector<py::ssize_t>(sizes.begin(), sizes.end()));
    std::memcpy(array.mutable_data(), values.const_data_ptr(), values.nbytes());
    return array;
  }
  throw py::type_error("a tensor of a type that no array has here");
}

at::Tensor typed_tensor(const py::array& array) {
  const py::array contiguous = py::array::ensure(array, py::array::c_style);
  const std::vector<int64_t> shape(contiguous.shape(), contiguous.shape() + contiguous.ndim());
  for (const auto& [type, name] : kNumpyTypes) {
    if (!contiguous.dtype().is(py::dtype(name)) && !contiguous.dtype().equal(py::dtype(name))) continue;
    at::Tensor tensor = at::empty(shape, type);
    std::memcpy(tensor.mutable_data_ptr(), contiguous.data(), tensor.nbytes());
    return tensor;
  }
  throw ParameterError("state", "an array of another type", "float32, float64 or int64");
}

std::optional<TrainingState> state_from(const std::optional<std::pair<py::dict, Tensors>>& given) {
  if (!given) return std::nullopt;
  TrainingState state;
  state.progress = progress_from(given->first);
  for (const auto& [name, array] : given->second) state.tensors.emplace_back(name, typed_tensor(array));
  return state;
}

LabelledFeatures labelled(const ArrayOf<float>& spectrograms, const ArrayOf<int64_t>& labels, int64_t num_classes) {
  return {.spectrograms = as_tensor(spectrograms),
          .labels = {labels.data(), labels.data() + labels.size()},
          .num_classes = num_classes};
}

/// Steps are told to Python every 100 ms at most, epochs and checkpoints always.
FitListener python_listener(const py::function& on_step, const py::function& on_epoch,
                            const std::optional<py::function>& on_checkpoint) {
  FitListener listener;
  listener.poll = signal_poll();
  listener.on_step = [&on_step, last = std::chrono::steady_clock::time_point{}](const StepReport& report) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (now - last < kReportInterval && report.step < report.num_steps) return;
    last = now;
    call_python([&] { on_step(report.epoch, report.step, report.num_steps, report.loss); });
  };
  listener.on_epoch = [&on_epoch](const EpochReport& report) {
    bool goes_on = true;
    call_python([&] { goes_on = on_epoch(to_dict(report)).cast<bool>(); });
    return goes_on;
  };
  if (on_checkpoint)
    listener.on_checkpoint = [&on_checkpoint](const TrainingState& state) {
      call_python([&] {
        py::dict tensors;
        for (const auto& [name, tensor] : state.tensors) {
          tensors[py::str(name)] = to_typed_array(tensor);
          if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        }
        (*on_checkpoint)(to_dict(state.progress), tensors);
      });
    };
  return listener;
}

}  // namespace

void bind_trainer(py::module_& module) {
  module.def(
      "classifier_kind",
      [](const std::vector<LossOptions>& losses) -> std::optional<std::string> {
        const std::optional<ClassifierKind> kind = classifier_kind(losses);
        if (!kind) return std::nullopt;
        return *kind == ClassifierKind::kLinear ? "linear" : "cosine";
      },
      py::arg("losses"), "'linear' or 'cosine' where the losses train a classifier, else None.");

  module.def(
      "resolve_precision",
      [](const std::string& precision, const std::string& device) {
        return to_string(parse_precision(precision, parse_device(device)));
      },
      py::kw_only(), py::arg("precision"), py::arg("device"), "The precision that 'auto' stands for on a device.");

  module.def(
      "fit",
      [](Siamese& network, const ArrayOf<float>& train, const ArrayOf<int64_t>& train_labels, int64_t num_train_classes,
         const ArrayOf<float>& validation, const ArrayOf<int64_t>& validation_labels, int64_t num_validation_classes,
         const std::vector<LossOptions>& losses, const SamplerOptions& sampler,
         const std::vector<AugmentOptions>& augment, const OptimizerOptions& optimizer, int64_t epochs,
         int64_t steps_per_epoch, int64_t patience, int64_t validation_freq, int64_t validation_ways,
         int64_t checkpoint_every, const std::string& precision, uint64_t seed, int num_threads,
         const std::optional<std::pair<py::dict, Tensors>>& state, const py::function& on_step,
         const py::function& on_epoch, const std::optional<py::function>& on_checkpoint,
         const std::string& feature_memory) {
        FitOptions options;
        options.losses = losses;
        options.sampler = sampler;
        options.augment = augment;
        options.optimizer = optimizer;
        options.epochs = epochs;
        options.steps_per_epoch = steps_per_epoch;
        options.patience = patience;
        options.validation_freq = validation_freq;
        options.validation_ways = validation_ways;
        options.checkpoint_every = checkpoint_every;
        options.precision = parse_precision(precision, network.device());
        options.feature_memory = parse_feature_memory(feature_memory);
        options.seed = seed;

        const LabelledFeatures train_features = labelled(train, train_labels, num_train_classes);
        const LabelledFeatures validation_features = labelled(validation, validation_labels, num_validation_classes);
        const std::optional<TrainingState> restored = state_from(state);
        const FitListener listener = python_listener(on_step, on_epoch, on_checkpoint);
        const py::gil_scoped_release release;
        const ThreadCount threads(num_threads);
        return fit(network, train_features, num_validation_classes > 0 ? &validation_features : nullptr, options,
                   listener, restored ? &*restored : nullptr);
      },
      py::arg("network"), py::kw_only(), py::arg("train"), py::arg("train_labels"), py::arg("num_train_classes"),
      py::arg("validation"), py::arg("validation_labels"), py::arg("num_validation_classes"), py::arg("losses"),
      py::arg("sampler"), py::arg("augment"), py::arg("optimizer"), py::arg("epochs"), py::arg("steps_per_epoch"),
      py::arg("patience"), py::arg("validation_freq"), py::arg("validation_ways"), py::arg("checkpoint_every"),
      py::arg("precision"), py::arg("seed"), py::arg("num_threads"), py::arg("state"), py::arg("on_step"),
      py::arg("on_epoch"), py::arg("on_checkpoint"), py::arg("feature_memory") = "auto",
      "Trains; returns the epoch whose weights are kept. on_step(epoch, step, num_steps, loss), on_epoch(dict) -> "
      "whether to go on, on_checkpoint(progress, tensors); state: such a pair to go on from.");
}

}  // namespace siamaudio

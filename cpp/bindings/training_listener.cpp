#include "bindings/training_listener.h"

#include <ATen/ops/empty.h>

#include <chrono>
#include <cstring>
#include <vector>

#include "base/errors.h"
#include "bindings/python_poll.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

constexpr std::chrono::milliseconds kReportInterval{100};

/// Calls visit(name, member) for every member of a Progress.
template <typename ProgressType, typename Visit>
void visit_members(ProgressType& progress, const Visit& visit) {
  visit("epoch", progress.epoch);
  visit("step", progress.step);
  visit("total_steps", progress.total_steps);
  visit("plan", progress.plan);
  visit("position", progress.position);
  visit("loss_sum", progress.loss_sum);
  visit("term_sums", progress.term_sums);
  visit("num_clips", progress.num_clips);
  visit("num_pairs", progress.num_pairs);
  visit("seconds", progress.seconds);
  visit("best_epoch", progress.best_epoch);
  visit("best_score", progress.best_score);
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

}  // namespace

std::optional<TrainingState> state_from(const std::optional<SavedState>& given) {
  if (!given) return std::nullopt;
  TrainingState state;
  state.progress = progress_from(given->first);
  for (const auto& [name, array] : given->second) state.tensors.emplace_back(name, typed_tensor(array));
  return state;
}

FitListener python_listener(const py::function& on_step, const py::function& on_epoch,
                            const std::optional<py::function>& on_checkpoint,
                            py::dict (*describe)(const EpochReport&)) {
  FitListener listener;
  listener.poll = signal_poll();
  listener.on_step = [&on_step, last = std::chrono::steady_clock::time_point{}](const StepReport& report) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (now - last < kReportInterval && report.step < report.num_steps) return;
    last = now;
    call_python([&] { on_step(report.epoch, report.step, report.num_steps, report.loss); });
  };
  listener.on_epoch = [&on_epoch, describe](const EpochReport& report) {
    bool goes_on = true;
    call_python([&] { goes_on = on_epoch(describe(report)).cast<bool>(); });
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

}  // namespace siamaudio

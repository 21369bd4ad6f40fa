#include <chrono>

#include "bindings/core_module.h"
#include "bindings/python_poll.h"
#include "bindings/tensors.h"
#include "model/device.h"
#include "train/trainer.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

constexpr std::chrono::milliseconds kReportInterval{100};

py::dict to_dict(const EpochReport& report) {
  py::dict entry;
  entry["epoch"] = report.epoch;
  entry["loss"] = report.loss;
  entry["validation_accuracy"] = report.validation_accuracy;
  entry["learning_rate"] = report.learning_rate;
  entry["seconds"] = report.seconds;
  entry["num_clips"] = report.num_clips;
  entry["num_pairs"] = report.num_pairs;
  return entry;
}

LabelledFeatures labelled(const ArrayOf<float>& spectrograms, const ArrayOf<int64_t>& labels, int64_t num_classes) {
  return {.spectrograms = as_tensor(spectrograms),
          .labels = {labels.data(), labels.data() + labels.size()},
          .num_classes = num_classes};
}

/// Steps are told to Python every 100 ms at most, epochs always.
FitListener python_listener(const py::function& on_step, const py::function& on_epoch) {
  FitListener listener;
  listener.poll = signal_poll();
  listener.on_step = [&on_step, last = std::chrono::steady_clock::time_point{}](const StepReport& report) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (now - last < kReportInterval && report.step < report.num_steps) return;
    last = now;
    call_python([&] { on_step(report.epoch, report.step, report.num_steps, report.loss); });
  };
  listener.on_epoch = [&on_epoch](const EpochReport& report) { call_python([&] { on_epoch(to_dict(report)); }); };
  return listener;
}

}  // namespace

void bind_trainer(py::module_& module) {
  module.def(
      "fit",
      [](Siamese& network, const ArrayOf<float>& train, const ArrayOf<int64_t>& train_labels, int64_t num_train_classes,
         const ArrayOf<float>& validation, const ArrayOf<int64_t>& validation_labels, int64_t num_validation_classes,
         const std::string& pairing, const std::string& loss, const OptimizerOptions& optimizer, int64_t epochs,
         int64_t patience, int64_t batch_size, int64_t clips_per_class, double negative_ratio, int64_t validation_ways,
         uint64_t seed, int num_threads, const py::function& on_step, const py::function& on_epoch) {
        FitOptions options;
        options.pairing = parse_pairing(pairing);
        options.loss = parse_pair_loss(loss);
        options.optimizer = optimizer;
        options.epochs = epochs;
        options.patience = patience;
        options.batch_size = batch_size;
        options.clips_per_class = clips_per_class;
        options.negative_ratio = negative_ratio;
        options.validation_ways = validation_ways;
        options.seed = seed;

        const LabelledFeatures train_features = labelled(train, train_labels, num_train_classes);
        const LabelledFeatures validation_features = labelled(validation, validation_labels, num_validation_classes);
        const FitListener listener = python_listener(on_step, on_epoch);
        const py::gil_scoped_release release;
        const ThreadCount threads(num_threads);
        return fit(network, train_features, num_validation_classes > 0 ? &validation_features : nullptr, options,
                   listener);
      },
      py::arg("network"), py::kw_only(), py::arg("train"), py::arg("train_labels"), py::arg("num_train_classes"),
      py::arg("validation"), py::arg("validation_labels"), py::arg("num_validation_classes"), py::arg("pairing"),
      py::arg("loss"), py::arg("optimizer"), py::arg("epochs"), py::arg("patience"), py::arg("batch_size"),
      py::arg("clips_per_class"), py::arg("negative_ratio"), py::arg("validation_ways"), py::arg("seed"),
      py::arg("num_threads"), py::arg("on_step"), py::arg("on_epoch"),
      "Trains; returns the epoch whose weights are kept. on_step(epoch, step, num_steps, loss), on_epoch(dict).");
}

}  // namespace siamaudio

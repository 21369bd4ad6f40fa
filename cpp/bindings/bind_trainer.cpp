#include <pybind11/stl.h>

#include <optional>

#include "bindings/core_module.h"
#include "bindings/tensors.h"
#include "bindings/training_listener.h"
#include "model/device.h"
#include "train/objective.h"
#include "train/trainer.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

py::dict to_dict(const EpochReport& report) {
  py::dict entry;
  entry["epoch"] = report.epoch;
  entry["loss"] = report.loss;
  entry["validation_accuracy"] = report.validation_score;
  entry["lr"] = report.lr;
  entry["seconds"] = report.seconds;
  entry["clips_per_second"] = static_cast<double>(report.num_clips) / report.seconds;
  entry["num_clips"] = report.num_clips;
  entry["num_pairs"] = report.num_pairs;
  return entry;
}

LabelledFeatures labelled(const ArrayOf<float>& spectrograms, const ArrayOf<int64_t>& labels, int64_t num_classes) {
  return {.spectrograms = as_tensor(spectrograms),
          .labels = {labels.data(), labels.data() + labels.size()},
          .num_classes = num_classes};
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
         const std::optional<SavedState>& state, const py::function& on_step, const py::function& on_epoch,
         const std::optional<py::function>& on_checkpoint, const std::string& feature_memory) {
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
        const FitListener listener = python_listener(on_step, on_epoch, on_checkpoint, to_dict);
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

#include <pybind11/stl.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "bindings/core_module.h"
#include "bindings/input_shape.h"
#include "bindings/network_parts.h"
#include "bindings/python_poll.h"
#include "bindings/tensors.h"
#include "bindings/training_listener.h"
#include "model/device.h"
#include "model/vae.h"
#include "train/vae_trainer.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

py::dict to_dict(const EpochReport& report) {
  py::dict entry;
  entry["epoch"] = report.epoch;
  entry["loss"] = report.loss;
  for (const auto& [name, mean] : report.terms) entry[py::str(name)] = mean;
  entry["validation_loss"] = -report.validation_score;
  entry["lr"] = report.lr;
  entry["seconds"] = report.seconds;
  entry["clips_per_second"] = static_cast<double>(report.num_clips) / report.seconds;
  entry["num_clips"] = report.num_clips;
  return entry;
}

}  // namespace

void bind_vae(py::module_& module) {
  py::class_<Vae>(module, "Vae", "A variational autoencoder of gated convolutions.")
      .def(py::init([](std::vector<int64_t> filters, int64_t latent_dim, double min_variance,
                       std::array<int64_t, 3> input_shape, uint64_t seed) {
             return std::make_unique<Vae>(
                 VaeOptions{.filters = std::move(filters), .latent_dim = latent_dim, .min_variance = min_variance},
                 to_input_shape(input_shape), seed);
           }),
           py::kw_only(), py::arg("filters"), py::arg("latent_dim"), py::arg("min_variance"), py::arg("input_shape"),
           py::arg("seed"), "input_shape: (channels, bands, frames).")
      .def(
          "to", [](Vae& self, const std::string& device) { self.to(parse_device(device)); }, py::arg("device"),
          "Moves the weights.")
      .def(
          "fit_scaling",
          [](Vae& self, const ArrayOf<float>& spectrograms, int num_threads) {
            const py::gil_scoped_release release;
            const ThreadCount threads(num_threads);
            self.fit_scaling(as_tensor(spectrograms));
          },
          py::arg("spectrograms"), py::kw_only(), py::arg("num_threads"), "Learns mean and deviation of each band.")
      .def(
          "embed",
          [](Vae& self, const ArrayOf<float>& spectrograms, int num_threads) {
            at::Tensor latents;
            {
              const py::gil_scoped_release release;
              const ThreadCount threads(num_threads);
              latents = self.embed(as_tensor(spectrograms), signal_poll());
            }
            return to_array(latents);
          },
          py::arg("spectrograms"), py::kw_only(), py::arg("num_threads"),
          "(clips, bands, frames) or (clips, channels, bands, frames) -> (clips, latent_dim), the means.")
      .def(
          "generate",
          [](Vae& self, const ArrayOf<float>& latents, int num_threads) {
            PixelDistribution pixels;
            {
              const py::gil_scoped_release release;
              const ThreadCount threads(num_threads);
              pixels = self.generate(as_tensor(latents), signal_poll());
            }
            return std::make_pair(to_array(pixels.mean), to_array(pixels.variance));
          },
          py::arg("latents"), py::kw_only(), py::arg("num_threads"),
          "(clips, latent_dim) -> mean and variance, (clips, channels, bands, frames) each.")
      .def(
          "clip_losses",
          [](Vae& self, const ArrayOf<float>& spectrograms, const ArrayOf<float>& noise, const std::string& likelihood,
             int num_threads) {
            at::Tensor losses;
            {
              const py::gil_scoped_release release;
              const ThreadCount threads(num_threads);
              losses = clip_losses(self, as_tensor(spectrograms), as_tensor(noise), parse_likelihood(likelihood),
                                   signal_poll());
            }
            return to_array(losses);
          },
          py::arg("spectrograms"), py::kw_only(), py::arg("noise"), py::arg("likelihood"), py::arg("num_threads"),
          "With z = mean + deviation * noise -> pixel loss and divergence of standardised clips, (2, clips).")
      .def(
          "layers", [](const Vae& self) { return layers_to_list(self.layers()); }, "As Siamese.layers.")
      .def(
          "weights", [](const Vae& self) { return weights_to_dict(self.weights()); },
          "Copies of all weights: name -> float32 array.")
      .def(
          "set_weights",
          [](Vae& self, const std::map<std::string, ArrayOf<float>>& weights) {
            self.set_weights(weights_from_dict(weights));
          },
          py::arg("weights"), "Replaces all weights; names and shapes of weights().");

  module.def("kl_weight", &kl_weight, py::kw_only(), py::arg("beta"), py::arg("warmup_epochs"), py::arg("epoch"),
             "Weight of the divergence in an epoch.");

  module.def(
      "fit_vae",
      [](Vae& vae, const ArrayOf<float>& train, const std::optional<ArrayOf<float>>& validation, int64_t batch_size,
         const std::string& likelihood, double beta, int64_t warmup_epochs, const std::vector<AugmentOptions>& augment,
         const std::vector<AugmentOptions>& corrupt, const OptimizerOptions& optimizer, int64_t epochs,
         int64_t patience, int64_t validation_freq, int64_t checkpoint_every, uint64_t seed, int num_threads,
         const std::optional<SavedState>& state, const py::function& on_step, const py::function& on_epoch,
         const std::optional<py::function>& on_checkpoint) {
        VaeFitOptions options;
        options.batch_size = batch_size;
        options.likelihood = parse_likelihood(likelihood);
        options.beta = beta;
        options.warmup_epochs = warmup_epochs;
        options.augment = augment;
        options.corrupt = corrupt;
        options.optimizer = optimizer;
        options.epochs = epochs;
        options.patience = patience;
        options.validation_freq = validation_freq;
        options.checkpoint_every = checkpoint_every;
        options.seed = seed;

        const at::Tensor train_clips = as_tensor(train);
        const at::Tensor validation_clips = validation ? as_tensor(*validation) : at::Tensor();
        const std::optional<TrainingState> restored = state_from(state);
        const FitListener listener = python_listener(on_step, on_epoch, on_checkpoint, to_dict);
        const py::gil_scoped_release release;
        const ThreadCount threads(num_threads);
        return fit(vae, train_clips, validation ? &validation_clips : nullptr, options, listener,
                   restored ? &*restored : nullptr);
      },
      py::arg("vae"), py::kw_only(), py::arg("train"), py::arg("validation"), py::arg("batch_size"),
      py::arg("likelihood"), py::arg("beta"), py::arg("warmup_epochs"), py::arg("augment"), py::arg("corrupt"),
      py::arg("optimizer"), py::arg("epochs"), py::arg("patience"), py::arg("validation_freq"),
      py::arg("checkpoint_every"), py::arg("seed"), py::arg("num_threads"), py::arg("state"), py::arg("on_step"),
      py::arg("on_epoch"), py::arg("on_checkpoint"), "Trains, as fit does; returns the epoch whose weights are kept.");
}

}  // namespace siamaudio

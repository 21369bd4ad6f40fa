#include <pybind11/stl.h>

#include "bindings/core_module.h"
#include "bindings/tensors.h"
#include "model/device.h"
#include "model/init.h"
#include "train/augment.h"

namespace py = pybind11;

namespace siamaudio {

void bind_augment(py::module_& module) {
  py::class_<TimeShiftOptions>(module, "TimeShiftOptions")
      .def(py::init([](double probability) { return TimeShiftOptions{.probability = probability}; }), py::kw_only(),
           py::arg("probability"));
  py::class_<TimeStretchOptions>(module, "TimeStretchOptions")
      .def(py::init([](double max_factor, double probability) {
             return TimeStretchOptions{.max_factor = max_factor, .probability = probability};
           }),
           py::kw_only(), py::arg("max_factor"), py::arg("probability"));
  py::class_<FrequencyScaleOptions>(module, "FrequencyScaleOptions")
      .def(py::init([](double max_factor, double probability) {
             return FrequencyScaleOptions{.max_factor = max_factor, .probability = probability};
           }),
           py::kw_only(), py::arg("max_factor"), py::arg("probability"));
  py::class_<FrequencyShiftOptions>(module, "FrequencyShiftOptions")
      .def(py::init([](double max_bands, double probability) {
             return FrequencyShiftOptions{.max_bands = max_bands, .probability = probability};
           }),
           py::kw_only(), py::arg("max_bands"), py::arg("probability"));
  py::class_<RandomCropOptions>(module, "RandomCropOptions")
      .def(py::init([](int64_t frames) { return RandomCropOptions{.frames = frames}; }), py::kw_only(),
           py::arg("frames"));
  py::class_<GainOptions>(module, "GainOptions")
      .def(py::init([](double max_gain, double max_offset, double probability) {
             return GainOptions{.max_gain = max_gain, .max_offset = max_offset, .probability = probability};
           }),
           py::kw_only(), py::arg("max_gain"), py::arg("max_offset"), py::arg("probability"));
  py::class_<NoiseOptions>(module, "NoiseOptions")
      .def(
          py::init([](double std, double probability) { return NoiseOptions{.std = std, .probability = probability}; }),
          py::kw_only(), py::arg("std"), py::arg("probability"));
  py::class_<SpecAugmentOptions>(module, "SpecAugmentOptions")
      .def(py::init([](int64_t num_time_masks, int64_t max_time_frames, int64_t num_frequency_masks, int64_t max_bands,
                       std::optional<double> value, double probability) {
             return SpecAugmentOptions{.num_time_masks = num_time_masks,
                                       .max_time_frames = max_time_frames,
                                       .num_frequency_masks = num_frequency_masks,
                                       .max_bands = max_bands,
                                       .value = value,
                                       .probability = probability};
           }),
           py::kw_only(), py::arg("num_time_masks"), py::arg("max_time_frames"), py::arg("num_frequency_masks"),
           py::arg("max_bands"), py::arg("value"), py::arg("probability"));
  py::class_<MixupOptions>(module, "MixupOptions")
      .def(py::init([](double alpha, double probability) {
             return MixupOptions{.alpha = alpha, .probability = probability};
           }),
           py::kw_only(), py::arg("alpha"), py::arg("probability"));
  py::class_<FrequencyMixStyleOptions>(module, "FrequencyMixStyleOptions")
      .def(py::init([](double alpha, double probability) {
             return FrequencyMixStyleOptions{.alpha = alpha, .probability = probability};
           }),
           py::kw_only(), py::arg("alpha"), py::arg("probability"));
  py::class_<RandomFrequencyResponseOptions>(module, "RandomFrequencyResponseOptions")
      .def(py::init([](double max_offset, int64_t num_points, double probability) {
             return RandomFrequencyResponseOptions{
                 .max_offset = max_offset, .num_points = num_points, .probability = probability};
           }),
           py::kw_only(), py::arg("max_offset"), py::arg("num_points"), py::arg("probability"));

  module.def(
      "augment",
      [](const std::vector<AugmentOptions>& augmentations, const ArrayOf<float>& spectrograms, uint64_t seed,
         const std::string& device) {
        at::Tensor changed;
        {
          const py::gil_scoped_release release;
          at::Generator generator = make_generator(at::kCPU, seed);
          const at::Tensor x = as_tensor(spectrograms).to(parse_device(device));
          changed = augment(augmentations, x, generator).spectrograms;
        }
        return to_array(changed);
      },
      py::arg("augmentations"), py::arg("spectrograms"), py::kw_only(), py::arg("seed"), py::arg("device"),
      "(clips, channels, bands, frames) -> the same, augmented as in one training step.");
}

}  // namespace siamaudio

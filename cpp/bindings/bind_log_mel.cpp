#include <pybind11/stl.h>

#include "audio/extract.h"
#include "audio/log_mel.h"
#include "bindings/arrays.h"
#include "bindings/audio_module.h"
#include "bindings/python_poll.h"

namespace py = pybind11;

namespace siamaudio {

void bind_log_mel(py::module_& module) {
  py::class_<LogMel>(module, "LogMel", "The tables of one set of options; librosa's names.")
      .def(py::init([](double sr, int64_t n_fft, int64_t hop_length, int64_t n_mels, double fmin,
                       std::optional<double> fmax, double ref, double amin, std::optional<double> top_db) {
             return LogMel({.sample_rate = sr,
                            .n_fft = n_fft,
                            .hop_length = hop_length,
                            .num_mels = n_mels,
                            .fmin = fmin,
                            .fmax = fmax.value_or(0),
                            .ref = ref,
                            .amin = amin,
                            .top_db = top_db});
           }),
           py::kw_only(), py::arg("sr"), py::arg("n_fft"), py::arg("hop_length"), py::arg("n_mels"), py::arg("fmin"),
           py::arg("fmax"), py::arg("ref"), py::arg("amin"), py::arg("top_db"))
      .def(
          "num_frames", [](const LogMel& self, int64_t num_samples) { return self.options().num_frames(num_samples); },
          py::arg("num_samples"), "Frames of a clip of that many samples.")
      .def(
          "transform",
          [](const LogMel& self, const ArrayOf<float>& clips, int num_threads) {
            const int64_t num_clips = clips.shape(0);
            const int64_t num_samples = clips.shape(1);
            auto decibels =
                new_array<float>({num_clips, self.options().num_mels, self.options().num_frames(num_samples)});
            const float* samples = clips.data();
            float* target = decibels.mutable_data();
            const py::gil_scoped_release release;
            transform_clips(self, samples, num_clips, num_samples, target, num_threads, signal_poll());
            return decibels;
          },
          py::arg("clips"), py::kw_only(), py::arg("num_threads"), "(clips, samples) -> (clips, bands, frames) in dB.");
}

}  // namespace siamaudio

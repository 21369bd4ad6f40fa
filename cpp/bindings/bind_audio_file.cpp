#include <sndfile.h>

#include "audio/audio_file.h"
#include "bindings/arrays.h"
#include "bindings/audio_module.h"

namespace py = pybind11;

namespace siamaudio {

void bind_audio_file(py::module_& module) {
  module.def(
      "read_audio",
      [](const std::string& path, double offset_seconds, double duration_seconds, bool mono) {
        Audio audio;
        {
          const py::gil_scoped_release release;
          audio =
              read_audio(path, {.offset_seconds = offset_seconds, .duration_seconds = duration_seconds, .mono = mono});
        }
        const auto num_samples = static_cast<py::ssize_t>(audio.samples.size());
        py::array_t<float> samples(num_samples, audio.samples.data());
        if (!mono)
          samples = samples.reshape({static_cast<py::ssize_t>(audio.num_channels), num_samples / audio.num_channels});
        return py::make_tuple(samples, audio.sample_rate);
      },
      py::arg("path"), py::kw_only(), py::arg("offset_seconds"), py::arg("duration_seconds"), py::arg("mono"),
      "(samples, sample rate); samples (frames,) when mono, else (channels, frames). A negative duration reads to the "
      "end.");

  module.def(
      "audio_info",
      [](const std::string& path) {
        const py::gil_scoped_release release;
        const AudioInfo info = audio_info(path);
        return std::make_tuple(info.num_frames, info.sample_rate, info.num_channels);
      },
      py::arg("path"), "(frames, sample rate, channels) from the header.");

  module.def(
      "libsndfile_version", [] { return std::string(sf_version_string()); }, "Name and version of the library in use.");
}

}  // namespace siamaudio

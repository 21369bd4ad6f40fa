#include <pybind11/stl.h>

#include "audio/extract.h"
#include "base/errors.h"
#include "bindings/arrays.h"
#include "bindings/audio_module.h"
#include "bindings/python_poll.h"

namespace py = pybind11;

namespace siamaudio {

void bind_extract(py::module_& module) {
  module.def(
      "transform_files",
      [](const Spectrogram& spectrogram, const std::vector<std::string>& paths, const ArrayOf<int64_t>& positions,
         int64_t num_samples, const std::string& crop, uint64_t seed, int num_threads) {
        const auto num_clips = static_cast<int64_t>(paths.size());
        if (positions.ndim() != 1 || positions.size() != num_clips)
          throw ParameterError("positions", std::to_string(positions.size()) + " values", "one for each path");
        const FilesOptions options{
            .num_samples = num_samples, .crop = parse_crop(crop), .seed = seed, .num_threads = num_threads};
        auto rows = new_array<float>({num_clips, spectrogram.num_rows(), spectrogram.num_frames(num_samples)});
        auto lengths = new_array<int64_t>({num_clips});
        const int64_t* position_of_clip = positions.data();
        float* target = rows.mutable_data();
        int64_t* length_of_clip = lengths.mutable_data();
        std::vector<FailedClip> failed;
        {
          const py::gil_scoped_release release;
          failed =
              transform_files(spectrogram, paths, position_of_clip, options, target, length_of_clip, signal_poll());
        }
        std::vector<std::pair<int64_t, std::string>> failures;
        for (const auto& clip : failed) failures.emplace_back(clip.index, clip.reason);
        return py::make_tuple(rows, lengths, failures);
      },
      py::arg("spectrogram"), py::arg("paths"), py::kw_only(), py::arg("positions"), py::arg("num_samples"),
      py::arg("crop"), py::arg("seed"), py::arg("num_threads"),
      "(clips, rows, frames), frames of each clip that hold signal, and (index, reason) of each clip that could not be "
      "read. Paths are bytes, as they need not be UTF-8.");

  module.def(
      "transform_file",
      [](const Spectrogram& spectrogram, const std::string& path, double offset_seconds, double duration_seconds,
         int num_threads) {
        std::vector<float> rows;
        {
          const py::gil_scoped_release release;
          rows = transform_file(spectrogram, path,
                                {.offset_seconds = offset_seconds, .duration_seconds = duration_seconds, .mono = true},
                                num_threads, signal_poll());
        }
        const auto size = static_cast<int64_t>(rows.size());
        return to_array(std::move(rows), {spectrogram.num_rows(), size / spectrogram.num_rows()});
      },
      py::arg("spectrogram"), py::arg("path"), py::kw_only(), py::arg("offset_seconds"), py::arg("duration_seconds"),
      py::arg("num_threads"), "(rows, frames) of one file of any length. A negative duration reads to the end.");
}

}  // namespace siamaudio

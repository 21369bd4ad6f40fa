#include <soxr.h>

#include "audio/resample.h"
#include "base/parallel.h"
#include "bindings/arrays.h"
#include "bindings/audio_module.h"
#include "bindings/python_poll.h"

namespace py = pybind11;

namespace siamaudio {

void bind_resample(py::module_& module) {
  module.def(
      "resample",
      [](const ArrayOf<float>& signals, double orig_sr, double target_sr) {
        const int64_t num_signals = signals.shape(0);
        const int64_t num_samples = signals.shape(1);
        const int64_t length = resampled_length(num_samples, orig_sr, target_sr);
        auto resampled = new_array<float>({num_signals, length});
        const float* source = signals.data();
        float* target = resampled.mutable_data();
        const py::gil_scoped_release release;
        parallel_for(
            num_signals, 0,
            [&](int64_t index, int) {
              const auto signal =
                  resample({source + index * num_samples, static_cast<size_t>(num_samples)}, orig_sr, target_sr);
              std::copy(signal.begin(), signal.end(), target + index * length);
            },
            signal_poll());
        return resampled;
      },
      py::arg("signals"), py::kw_only(), py::arg("orig_sr"), py::arg("target_sr"),
      "(signals, samples) -> (signals, ceil(samples * target_sr / orig_sr)).");

  module.def("libsoxr_version", [] { return std::string(soxr_version()); }, "Name and version of the library in use.");
}

}  // namespace siamaudio

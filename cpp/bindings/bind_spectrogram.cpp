#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "audio/spectrogram.h"
#include "base/errors.h"
#include "bindings/arrays.h"
#include "bindings/audio_module.h"
#include "bindings/python_poll.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

template <typename Value, size_t N>
using Names = std::array<std::pair<const char*, Value>, N>;

constexpr Names<Placement, 3> kPlacements{
    {{"centred", Placement::kCentred}, {"inside", Placement::kInside}, {"midpoint", Placement::kMidpoint}}};
constexpr Names<PadMode, 5> kPadModes{{{"constant", PadMode::kConstant},
                                       {"reflect", PadMode::kReflect},
                                       {"symmetric", PadMode::kSymmetric},
                                       {"edge", PadMode::kEdge},
                                       {"wrap", PadMode::kWrap}}};
constexpr Names<SpectrumKind, 3> kKinds{
    {{"complex", SpectrumKind::kComplex}, {"magnitude", SpectrumKind::kMagnitude}, {"power", SpectrumKind::kPower}}};
constexpr Names<MelScale, 2> kMelScales{{{"slaney", MelScale::kSlaney}, {"htk", MelScale::kHtk}}};
constexpr Names<LogKind, 5> kLogs{{{"none", LogKind::kNone},
                                   {"db", LogKind::kDecibels},
                                   {"floor", LogKind::kFloor},
                                   {"offset", LogKind::kOffset},
                                   {"nonzero", LogKind::kNonZero}}};

template <typename Value, size_t N>
Value named(const char* parameter, const Names<Value, N>& names, std::string_view name) {
  std::string accepted;
  for (const auto& [accepted_name, value] : names) {
    if (name == accepted_name) return value;
    accepted += std::string(accepted.empty() ? "" : ", ") + accepted_name;
  }
  throw ParameterError(parameter, std::string(name), accepted);
}

py::array_t<float> transform(const Spectrogram& self, const ArrayOf<float>& clips, int num_threads) {
  const int64_t num_clips = clips.shape(0);
  const int64_t num_samples = clips.shape(1);
  auto rows = new_array<float>({num_clips, self.num_rows(), self.num_frames(num_samples)});
  const float* samples = clips.data();
  float* target = rows.mutable_data();
  std::vector<int64_t> failed;
  {
    const py::gil_scoped_release release;
    failed = self.transform(samples, num_clips, num_samples, target, num_threads, signal_poll());
  }
  if (!failed.empty())
    throw ParameterError("y",
                         "samples in clip " + std::to_string(failed.front()) +
                             " that are NaN, infinite, or too large for single precision",
                         "finite samples");
  return rows;
}

}  // namespace

void bind_spectrogram(py::module_& module) {
  py::class_<Spectrogram>(module, "Spectrogram", "The tables of one set of options, and the transform of clips.")
      .def(py::init([](double sr, int64_t n_fft, int64_t hop_length, const ArrayOf<float>& window,
                       const std::string& placement, const std::string& pad_mode, double gain, bool remove_dc,
                       double preemphasis, const std::string& kind, std::optional<int64_t> n_mels, double fmin,
                       std::optional<double> fmax, const std::string& mel_scale, bool area_norm, bool linear_in_mel,
                       const std::string& log, double amin, std::optional<double> ref, std::optional<double> top_db,
                       double log_offset) {
             SpectrogramOptions options{
                 .sample_rate = sr,
                 .n_fft = n_fft,
                 .framing = {.frame_length = window.size(),
                             .hop_length = hop_length,
                             .placement = named("placement", kPlacements, placement),
                             .pad_mode = named("pad_mode", kPadModes, pad_mode)},
                 .window = {window.data(), window.data() + window.size()},
                 .gain = gain,
                 .remove_dc = remove_dc,
                 .preemphasis = preemphasis,
                 .kind = named("kind", kKinds, kind),
                 .mel = {},
                 .log = {.kind = named("log", kLogs, log),
                         .amin = amin,
                         .ref = ref,
                         .top_db = top_db,
                         .offset = log_offset},
             };
             if (n_mels)
               options.mel = MelOptions{.sample_rate = sr,
                                        .n_fft = n_fft,
                                        .num_mels = *n_mels,
                                        .fmin = fmin,
                                        .fmax = fmax.value_or(sr / 2),
                                        .scale = named("mel_scale", kMelScales, mel_scale),
                                        .area_norm = area_norm,
                                        .linear_in_mel = linear_in_mel};
             return std::make_unique<Spectrogram>(std::move(options));
           }),
           py::kw_only(), py::arg("sr"), py::arg("n_fft"), py::arg("hop_length"), py::arg("window"),
           py::arg("placement"), py::arg("pad_mode"), py::arg("gain"), py::arg("remove_dc"), py::arg("preemphasis"),
           py::arg("kind"), py::arg("n_mels"), py::arg("fmin"), py::arg("fmax"), py::arg("mel_scale"),
           py::arg("area_norm"), py::arg("linear_in_mel"), py::arg("log"), py::arg("amin"), py::arg("ref"),
           py::arg("top_db"), py::arg("log_offset"))
      .def_property_readonly(
          "isa", [](const Spectrogram& self) { return isa_name(self.isa()); }, "Instruction set in use.")
      .def("num_frames", &Spectrogram::num_frames, py::arg("num_samples"), "Frames of a clip of that many samples.")
      .def("transform", &transform, py::arg("clips"), py::kw_only(), py::arg("num_threads"),
           "(clips, samples) -> (clips, rows, frames); of complex spectra a bin's real and imaginary parts are two "
           "rows.");

  module.def(
      "mel_filterbank",
      [](double sr, int64_t n_fft, int64_t n_mels, double fmin, std::optional<double> fmax,
         const std::string& mel_scale, bool area_norm, bool linear_in_mel) {
        const MelFilterbank filterbank({.sample_rate = sr,
                                        .n_fft = n_fft,
                                        .num_mels = n_mels,
                                        .fmin = fmin,
                                        .fmax = fmax.value_or(sr / 2),
                                        .scale = named("mel_scale", kMelScales, mel_scale),
                                        .area_norm = area_norm,
                                        .linear_in_mel = linear_in_mel});
        const int64_t num_bins = n_fft / 2 + 1;
        const auto matrix = filterbank.dense(num_bins);
        auto result = new_array<float>({n_mels, num_bins});
        std::ranges::copy(matrix, result.mutable_data());
        return result;
      },
      py::kw_only(), py::arg("sr"), py::arg("n_fft"), py::arg("n_mels"), py::arg("fmin"), py::arg("fmax"),
      py::arg("mel_scale"), py::arg("area_norm"), py::arg("linear_in_mel"), "(n_mels, n_fft / 2 + 1) matrix.");

  module.def("isa", [] { return isa_name(chosen_isa()); }, "Instruction set that spectrograms will be made with.");
  module.def(
      "usable_isas",
      [] {
        std::vector<std::string> names;
        for (const Isa isa : usable_isas()) names.push_back(isa_name(isa));
        return names;
      },
      "Instruction sets that this build and this processor have, by rising width.");
}

}  // namespace siamaudio

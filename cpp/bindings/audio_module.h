// One function per file of cpp/audio that has something to show to Python.
#pragma once

#include <pybind11/pybind11.h>

namespace siamaudio {

void bind_audio_file(pybind11::module_& module);
void bind_resample(pybind11::module_& module);
void bind_spectrogram(pybind11::module_& module);
void bind_extract(pybind11::module_& module);

}  // namespace siamaudio

// siamaudio._audio: everything that touches audio files. Never loads torch.
#include "bindings/audio_module.h"

#include "bindings/errors.h"

PYBIND11_MODULE(_audio, module) {
  siamaudio::register_errors(module);
  siamaudio::bind_audio_file(module);
  siamaudio::bind_resample(module);
  siamaudio::bind_spectrogram(module);
  siamaudio::bind_extract(module);
}

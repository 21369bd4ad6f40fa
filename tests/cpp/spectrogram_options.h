// Options that the tests of the front end start from.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "audio/spectrogram.h"

namespace siamaudio {

/// Periodic Hann window.
inline std::vector<float> hann(int64_t size) {
  std::vector<float> window(static_cast<size_t>(size));
  for (size_t i = 0; i < window.size(); ++i) {
    const double sine = std::sin(std::numbers::pi * static_cast<double>(i) / static_cast<double>(size));
    window[i] = static_cast<float>(sine * sine);
  }
  return window;
}

/// librosa's log-mel spectrogram.
inline SpectrogramOptions log_mel_options(const MelOptions& mel, int64_t hop_length) {
  SpectrogramOptions options;
  options.sample_rate = mel.sample_rate;
  options.n_fft = mel.n_fft;
  options.framing = {.frame_length = mel.n_fft, .hop_length = hop_length};
  options.window = hann(mel.n_fft);
  options.mel = mel;
  return options;
}

}  // namespace siamaudio

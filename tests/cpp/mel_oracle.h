// Mel filters from the definition, in double: the oracle of the filterbank's and of the spectrogram's tests.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "audio/mel.h"

namespace siamaudio {

inline double slaney_mel(double hz) { return hz < 1000 ? hz * 3 / 200 : 15 + 27 * std::log(hz / 1000) / std::log(6.4); }
inline double slaney_hz(double mel) { return mel < 15 ? mel * 200 / 3 : 1000 * std::pow(6.4, (mel - 15) / 27); }

/// (bands, bins)
inline std::vector<std::vector<double>> dense_mel_filters(const MelOptions& options) {
  const double lowest = slaney_mel(options.fmin);
  const double step = (slaney_mel(options.fmax) - lowest) / static_cast<double>(options.num_mels + 1);
  std::vector<std::vector<double>> filters;
  for (int64_t band = 0; band < options.num_mels; ++band) {
    const double left = slaney_hz(lowest + step * static_cast<double>(band));
    const double peak = slaney_hz(lowest + step * static_cast<double>(band + 1));
    const double right = slaney_hz(lowest + step * static_cast<double>(band + 2));
    std::vector<double> filter;
    for (int64_t bin = 0; bin <= options.n_fft / 2; ++bin) {
      const double hz = static_cast<double>(bin) * options.sample_rate / static_cast<double>(options.n_fft);
      double height = 0;
      if (hz > left && hz <= peak)
        height = (hz - left) / (peak - left);
      else if (hz > peak && hz < right)
        height = (right - hz) / (right - peak);
      filter.push_back(height * 2 / (right - left));
    }
    filters.push_back(filter);
  }
  return filters;
}

}  // namespace siamaudio

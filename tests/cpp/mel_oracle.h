// Mel filters from the definition, in double: the oracle of the filterbank's and of the spectrogram's tests.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "audio/mel.h"

namespace siamaudio {

inline double slaney_mel(double hz) { return hz < 1000 ? hz * 3 / 200 : 15 + 27 * std::log(hz / 1000) / std::log(6.4); }
inline double slaney_hz(double mel) { return mel < 15 ? mel * 200 / 3 : 1000 * std::pow(6.4, (mel - 15) / 27); }
// Kaldi's and TensorFlow's way to write HTK's formula: 2595 log10(x) = 1127.01 ln(x).
inline double htk_mel(double hz) { return 2595 / std::log(10) * std::log1p(hz / 700); }
inline double htk_hz(double mel) { return 700 * std::expm1(mel * std::log(10) / 2595); }

/// (bands, bins)
inline std::vector<std::vector<double>> dense_mel_filters(const MelOptions& options) {
  const bool is_htk = options.scale == MelScale::kHtk;
  const auto to_mel = is_htk ? htk_mel : slaney_mel;
  const auto to_hz = is_htk ? htk_hz : slaney_hz;
  const double lowest = to_mel(options.fmin);
  const double step = (to_mel(options.fmax) - lowest) / static_cast<double>(options.num_mels + 1);
  std::vector<std::vector<double>> filters;
  for (int64_t band = 0; band < options.num_mels; ++band) {
    const auto edge = [&](int64_t i) {
      const double mel = lowest + step * static_cast<double>(band + i);
      return options.linear_in_mel ? mel : to_hz(mel);
    };
    const double area =
        to_hz(lowest + step * static_cast<double>(band + 2)) - to_hz(lowest + step * static_cast<double>(band));
    std::vector<double> filter;
    for (int64_t bin = 0; bin <= options.n_fft / 2; ++bin) {
      const double hz = static_cast<double>(bin) * options.sample_rate / static_cast<double>(options.n_fft);
      const double x = options.linear_in_mel ? to_mel(hz) : hz;
      double height = 0;
      if (x > edge(0) && x <= edge(1))
        height = (x - edge(0)) / (edge(1) - edge(0));
      else if (x > edge(1) && x < edge(2))
        height = (edge(2) - x) / (edge(2) - edge(1));
      filter.push_back(options.area_norm ? height * 2 / area : height);
    }
    filters.push_back(filter);
  }
  return filters;
}

}  // namespace siamaudio

#include "audio/mel.h"

#include <algorithm>
#include <cmath>

namespace siamaudio {
namespace {

constexpr double kHzPerMel = 200.0 / 3.0;
constexpr double kLogStartHz = 1000.0;
constexpr double kLogStartMel = kLogStartHz / kHzPerMel;
const double kLogStep = std::log(6.4) / 27.0;

}  // namespace

double hz_to_mel(double hz) {
  return hz < kLogStartHz ? hz / kHzPerMel : kLogStartMel + std::log(hz / kLogStartHz) / kLogStep;
}

double mel_to_hz(double mel) {
  return mel < kLogStartMel ? mel * kHzPerMel : kLogStartHz * std::exp(kLogStep * (mel - kLogStartMel));
}

MelFilterbank::MelFilterbank(const MelOptions& options) {
  std::vector<double> edges(static_cast<size_t>(options.num_mels) + 2);
  const double lowest = hz_to_mel(options.fmin);
  const double highest = hz_to_mel(options.fmax);
  for (size_t i = 0; i < edges.size(); ++i)
    edges[i] = mel_to_hz(lowest + (highest - lowest) * static_cast<double>(i) / static_cast<double>(edges.size() - 1));

  const int64_t num_bins = options.n_fft / 2 + 1;
  const double bin_width = options.sample_rate / static_cast<double>(options.n_fft);
  for (int64_t band = 0; band < options.num_mels; ++band) {
    const double left = edges[static_cast<size_t>(band)];
    const double centre = edges[static_cast<size_t>(band) + 1];
    const double right = edges[static_cast<size_t>(band) + 2];
    const double area_norm = 2.0 / (right - left);
    Band entry{.first_bin = 0, .first_weight = static_cast<int64_t>(weights_.size()), .num_bins = 0};
    for (int64_t bin = 0; bin < num_bins; ++bin) {
      const double hz = static_cast<double>(bin) * bin_width;
      const double weight = std::min((hz - left) / (centre - left), (right - hz) / (right - centre));
      if (!(weight > 0)) continue;
      if (entry.num_bins == 0) entry.first_bin = bin;
      weights_.push_back(static_cast<float>(weight * area_norm));
      ++entry.num_bins;
    }
    bands_.push_back(entry);
  }
}

void MelFilterbank::apply(const float* power, float* mel) const {
  for (size_t band = 0; band < bands_.size(); ++band) {
    const float* bins = power + bands_[band].first_bin;
    const float* weights = weights_.data() + bands_[band].first_weight;
    float sum = 0;
    for (int64_t i = 0; i < bands_[band].num_bins; ++i) sum += weights[i] * bins[i];
    mel[band] = sum;
  }
}

}  // namespace siamaudio

#include "audio/mel.h"

#include <algorithm>
#include <cmath>

namespace siamaudio {
namespace {

constexpr double kHzPerMel = 200.0 / 3.0;
constexpr double kLogStartHz = 1000.0;
constexpr double kLogStartMel = kLogStartHz / kHzPerMel;
const double kLogStep = std::log(6.4) / 27.0;
constexpr double kHtkFactor = 2595.0;
constexpr double kHtkHz = 700.0;

}  // namespace

double hz_to_mel(double hz, MelScale scale) {
  if (scale == MelScale::kHtk) return kHtkFactor * std::log10(1.0 + hz / kHtkHz);
  return hz < kLogStartHz ? hz / kHzPerMel : kLogStartMel + std::log(hz / kLogStartHz) / kLogStep;
}

double mel_to_hz(double mel, MelScale scale) {
  if (scale == MelScale::kHtk) return kHtkHz * (std::pow(10.0, mel / kHtkFactor) - 1.0);
  return mel < kLogStartMel ? mel * kHzPerMel : kLogStartHz * std::exp(kLogStep * (mel - kLogStartMel));
}

MelFilterbank::MelFilterbank(const MelOptions& options) {
  // Edges of the triangles, equally far apart in mel.
  const double lowest = hz_to_mel(options.fmin, options.scale);
  const double highest = hz_to_mel(options.fmax, options.scale);
  std::vector<double> edges_mel(static_cast<size_t>(options.num_mels) + 2);
  std::vector<double> edges_hz(edges_mel.size());
  for (size_t i = 0; i < edges_mel.size(); ++i) {
    edges_mel[i] = lowest + (highest - lowest) * static_cast<double>(i) / static_cast<double>(edges_mel.size() - 1);
    edges_hz[i] = mel_to_hz(edges_mel[i], options.scale);
  }

  const auto num_bins = static_cast<size_t>(options.n_fft / 2 + 1);
  const std::vector<double>& edges = options.linear_in_mel ? edges_mel : edges_hz;
  std::vector<double> bins(num_bins);
  for (size_t bin = 0; bin < num_bins; ++bin) {
    const double hz = static_cast<double>(bin) * options.sample_rate / static_cast<double>(options.n_fft);
    bins[bin] = options.linear_in_mel ? hz_to_mel(hz, options.scale) : hz;
  }

  for (size_t band = 0; band + 2 < edges.size(); ++band) {
    const double left = edges[band];
    const double centre = edges[band + 1];
    const double right = edges[band + 2];
    const double height = options.area_norm ? 2.0 / (edges_hz[band + 2] - edges_hz[band]) : 1.0;
    Band entry{.first_bin = 0, .first_weight = static_cast<int64_t>(weights_.size()), .num_bins = 0};
    for (size_t bin = 0; bin < num_bins; ++bin) {
      const double weight = std::min((bins[bin] - left) / (centre - left), (right - bins[bin]) / (right - centre));
      if (!(weight > 0)) continue;
      if (entry.num_bins == 0) entry.first_bin = static_cast<int64_t>(bin);
      weights_.push_back(static_cast<float>(weight * height));
      ++entry.num_bins;
    }
    bands_.push_back(entry);
  }
}

std::vector<float> MelFilterbank::dense(int64_t num_bins) const {
  std::vector<float> matrix(static_cast<size_t>(num_mels() * num_bins));
  for (size_t band = 0; band < bands_.size(); ++band)
    std::copy_n(weights_.begin() + bands_[band].first_weight, bands_[band].num_bins,
                matrix.begin() + static_cast<int64_t>(band) * num_bins + bands_[band].first_bin);
  return matrix;
}

}  // namespace siamaudio

// Triangular mel filters, stored sparsely.
#pragma once

#include <cstdint>
#include <vector>

namespace siamaudio {

/// librosa's defaults: the scale of Slaney's Auditory Toolbox, each filter of unit area ("slaney" norm).
struct MelOptions {
  double sample_rate = 44100;  ///< Hz
  int64_t n_fft = 2048;        ///< samples, even
  int64_t num_mels = 128;
  double fmin = 0;      ///< Hz
  double fmax = 22050;  ///< Hz
};

/// Mel value of a frequency: linear below 1 kHz (3 mel = 200 Hz), logarithmic above (27 steps a factor of 6.4).
double hz_to_mel(double hz);

/// The inverse of hz_to_mel.
double mel_to_hz(double mel);

/// Bands × bins matrix of triangles; only the bins under each triangle are kept.
class MelFilterbank {
 public:
  explicit MelFilterbank(const MelOptions& options);

  int64_t num_mels() const { return static_cast<int64_t>(bands_.size()); }

  /// power: n_fft / 2 + 1 bins; mel: num_mels values.
  void apply(const float* power, float* mel) const;

 private:
  struct Band {
    int64_t first_bin;     ///< of the spectrum
    int64_t first_weight;  ///< in weights_
    int64_t num_bins;
  };
  std::vector<Band> bands_;
  std::vector<float> weights_;
};

}  // namespace siamaudio

// Triangular mel filters, stored sparsely.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace siamaudio {

/// Which frequencies lie equally far apart.
enum class MelScale {
  kSlaney,  ///< Auditory Toolbox: linear below 1 kHz (3 mel = 200 Hz), logarithmic above (27 steps a factor of 6.4)
  kHtk,     ///< O'Shaughnessy, HTK book: 2595 log10(1 + f / 700)
};

struct MelOptions {
  double sample_rate = 44100;  ///< Hz
  int64_t n_fft = 2048;        ///< samples, even
  int64_t num_mels = 128;
  double fmin = 0;      ///< Hz
  double fmax = 22050;  ///< Hz
  MelScale scale = MelScale::kSlaney;
  bool area_norm = true;       ///< each filter of unit area over Hz ("slaney" norm), else of unit height
  bool linear_in_mel = false;  ///< triangles with straight sides over mel (Kaldi, TensorFlow), else over Hz
};

double hz_to_mel(double hz, MelScale scale);

/// The inverse of hz_to_mel.
double mel_to_hz(double mel, MelScale scale);

/// Bands × bins matrix of triangles; only the bins under each triangle are kept.
class MelFilterbank {
 public:
  explicit MelFilterbank(const MelOptions& options);

  int64_t num_mels() const { return static_cast<int64_t>(bands_.size()); }

  /// power: n_fft / 2 + 1 bins; emit(band, sum) is called for each band. Scalar is float or a Lane.
  template <typename Scalar, typename Emit>
  void apply(const Scalar* power, const Emit& emit) const {
    for (size_t band = 0; band < bands_.size(); ++band) {
      const Scalar* bins = power + bands_[band].first_bin;
      const float* weights = weights_.data() + bands_[band].first_weight;
      // Two sums, as each addition waits for the one before.
      const int64_t num_bins = bands_[band].num_bins;
      Scalar even(0);
      Scalar odd(0);
      int64_t i = 0;
      for (; i + 1 < num_bins; i += 2) {
        even += Scalar(weights[i]) * bins[i];
        odd += Scalar(weights[i + 1]) * bins[i + 1];
      }
      if (i < num_bins) even += Scalar(weights[i]) * bins[i];
      emit(static_cast<int64_t>(band), even + odd);
    }
  }

  /// The matrix written out: (num_mels, num_bins).
  std::vector<float> dense(int64_t num_bins) const;

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

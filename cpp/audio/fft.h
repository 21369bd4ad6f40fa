// Power spectra of real frames by KissFFT.
#pragma once

#include <complex>
#include <cstddef>
#include <vector>

#include <kissfft.hh>

namespace siamaudio {

/// Squared magnitudes of the real DFT of `size` samples, size even. Owns its scratch: one object a thread.
class RealFft {
 public:
  explicit RealFft(size_t size) : half_(size / 2), plan_(size / 2, false), spectrum_(size / 2) {}

  /// frame: 2 * half samples; power: half + 1 bins, from 0 Hz to half the sample rate.
  void power(const float* frame, float* power) {
    plan_.transform_real(frame, spectrum_.data());
    // transform_real packs the two purely real bins into the first: (0 Hz, Nyquist).
    power[0] = spectrum_[0].real() * spectrum_[0].real();
    power[half_] = spectrum_[0].imag() * spectrum_[0].imag();
    for (size_t bin = 1; bin < half_; ++bin) power[bin] = std::norm(spectrum_[bin]);
  }

 private:
  size_t half_;
  kissfft<float> plan_;
  std::vector<std::complex<float>> spectrum_;
};

}  // namespace siamaudio

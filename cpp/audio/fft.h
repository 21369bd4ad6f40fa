// Spectra of real frames by KissFFT.
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <numbers>
#include <vector>

#include <kissfft.hh>

namespace siamaudio {

/// The real DFT of `size` samples, size even. Scalar is float, or a Lane for several frames at once. Owns its scratch:
/// one object a thread.
template <typename Scalar>
class RealFft {
 public:
  explicit RealFft(size_t size) : half_(size / 2), plan_(half_, false), spectrum_(half_), twiddles_(half_ / 2 + 1) {
    for (size_t k = 0; k < twiddles_.size(); ++k) {
      const double phase = std::numbers::pi * static_cast<double>(k) / static_cast<double>(half_);
      twiddles_[k] = {static_cast<float>(std::cos(phase)), static_cast<float>(std::sin(phase))};
    }
  }

  size_t num_bins() const { return half_ + 1; }

  /// Calls emit(bin, real, imaginary) once for every bin from 0 Hz to half the sample rate, in no particular order.
  ///
  /// The frame is transformed as `half` complex numbers z_n = x_2n + i x_2n+1. Their DFT Z separates into those of the
  /// even and the odd samples, E_k = (Z_k + conj Z_-k) / 2 and O_k = (Z_k - conj Z_-k) / 2i, which give
  /// X_k = E_k + w^k O_k and X_half-k = conj(E_k - w^k O_k) with w = exp(-i pi / half).
  template <typename Emit>
  void transform(const Scalar* frame, const Emit& emit) {
    // std::complex is laid out as two scalars ([complex.numbers]), and so is a pair of samples.
    plan_.transform(reinterpret_cast<const std::complex<Scalar>*>(frame), spectrum_.data());
    const Scalar first_real = spectrum_[0].real();
    const Scalar first_imag = spectrum_[0].imag();
    emit(size_t{0}, first_real + first_imag, Scalar(0));
    emit(half_, first_real - first_imag, Scalar(0));
    for (size_t k = 1; 2 * k <= half_; ++k) {
      const Scalar a = spectrum_[k].real();
      const Scalar b = spectrum_[k].imag();
      const Scalar c = spectrum_[half_ - k].real();
      const Scalar d = spectrum_[half_ - k].imag();
      const Scalar even_real = kHalf * (a + c);
      const Scalar even_imag = kHalf * (b - d);
      const Scalar odd_real = kHalf * (b + d);
      const Scalar odd_imag = kHalf * (c - a);
      const Scalar cosine = twiddles_[k].real();
      const Scalar sine = twiddles_[k].imag();
      const Scalar turned_real = cosine * odd_real + sine * odd_imag;
      const Scalar turned_imag = cosine * odd_imag - sine * odd_real;
      emit(k, even_real + turned_real, even_imag + turned_imag);
      if (2 * k != half_) emit(half_ - k, even_real - turned_real, turned_imag - even_imag);
    }
  }

 private:
  static constexpr float kHalf = 0.5F;
  size_t half_;
  kissfft<Scalar> plan_;
  std::vector<std::complex<Scalar>> spectrum_;
  std::vector<std::complex<float>> twiddles_;  ///< (cos, sin) of pi k / half
};

}  // namespace siamaudio

#include "audio/fft.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <numeric>
#include <string>
#include <vector>

#include "expect.h"

namespace siamaudio {
namespace {

/// The definition, in double.
std::vector<double> naive_power(const std::vector<float>& frame) {
  const size_t size = frame.size();
  std::vector<double> power(size / 2 + 1);
  for (size_t bin = 0; bin < power.size(); ++bin) {
    std::complex<double> sum = 0;
    for (size_t i = 0; i < size; ++i)
      sum += static_cast<double>(frame[i]) *
             std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(bin * i % size) / static_cast<double>(size));
    power[bin] = std::norm(sum);
  }
  return power;
}

std::vector<float> power_of(RealFft<float>& fft, const std::vector<float>& frame) {
  std::vector<float> power(fft.num_bins(), -1.0F);
  fft.transform(frame.data(), [&](size_t bin, float real, float imaginary) {
    EXPECT_EQ(power[bin], -1.0F) << "bin " << bin << " twice";
    power[bin] = real * real + imaginary * imaginary;
  });
  return power;
}

std::vector<float> power_of(const std::vector<float>& frame) {
  RealFft<float> fft(frame.size());
  return power_of(fft, frame);
}

/// An FFT's rounding errors grow with log2(size) and reach every bin in proportion to the norm of the whole spectrum,
/// which is sqrt(size) times that of the frame (Higham, Accuracy and Stability, section 24.1).
void expect_power(const std::vector<float>& frame, const std::string& what) {
  const auto power = power_of(frame);
  const auto size = static_cast<double>(frame.size());
  const double energy = std::inner_product(frame.begin(), frame.end(), frame.begin(), 0.0);
  const double error = 2 * std::numeric_limits<float>::epsilon() * (std::log2(size) + 1) * std::sqrt(size * energy);
  const auto expected = naive_power(frame);
  for (size_t bin = 0; bin < expected.size(); ++bin)
    ASSERT_NEAR(power[bin], expected[bin], 2 * std::sqrt(expected[bin]) * error + error * error)
        << what << ", size " << frame.size() << ", bin " << bin;
}

// Prime factors 2, 3, 5 and 7, 11 (KissFFT's generic butterfly), odd halves, half 1.
constexpr int64_t kSizes[] = {2, 4, 6, 8, 10, 12, 14, 22, 30, 64, 100, 1024};

TEST(RealFft, AgreesWithTheDefinitionOnNoise) {
  for (const int64_t size : kSizes) expect_power(noise(size, static_cast<uint64_t>(size)), "noise");
}

TEST(RealFft, AgreesWithTheDefinitionOnImpulses) {
  for (const int64_t size : kSizes) {
    for (const int64_t position : {int64_t{0}, int64_t{1}, size / 2, size - 1}) {
      std::vector<float> frame(static_cast<size_t>(size));
      frame[static_cast<size_t>(position)] = 0.5F;
      expect_power(frame, "impulse at " + std::to_string(position));
    }
  }
}

TEST(RealFft, PutsAConstantIntoTheFirstBin) {
  for (const int64_t size : kSizes) {
    const std::vector<float> frame(static_cast<size_t>(size), 0.25F);
    expect_power(frame, "constant");
    const auto power = power_of(frame);
    EXPECT_FLOAT_EQ(power[0], static_cast<float>(size * size) / 16);
  }
}

TEST(RealFft, PutsTheNyquistToneIntoTheLastBin) {
  for (const int64_t size : kSizes) {
    std::vector<float> frame(static_cast<size_t>(size));
    for (size_t i = 0; i < frame.size(); ++i) frame[i] = i % 2 == 0 ? 1.0F : -1.0F;
    expect_power(frame, "Nyquist tone");
    const auto power = power_of(frame);
    EXPECT_FLOAT_EQ(power.back(), static_cast<float>(size * size));
  }
}

TEST(RealFft, KeepsNothingFromFrameToFrame) {
  RealFft<float> fft(100);
  const auto frame = noise(100, 1);
  const auto first = power_of(fft, frame);
  EXPECT_NE(power_of(fft, noise(100, 2)), first);
  EXPECT_EQ(power_of(fft, frame), first);
}

TEST(RealFft, GivesRealAndImaginaryPartsOfTheDefinition) {
  const auto frame = noise(28, 4);
  RealFft<float> fft(28);
  fft.transform(frame.data(), [&](size_t bin, float real, float imaginary) {
    std::complex<double> sum = 0;
    for (size_t i = 0; i < frame.size(); ++i)
      sum += static_cast<double>(frame[i]) * std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(bin * i) / 28);
    EXPECT_NEAR(real, sum.real(), 1e-5);
    EXPECT_NEAR(imaginary, sum.imag(), 1e-5);
  });
}

}  // namespace
}  // namespace siamaudio

#include "audio/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>
#include <vector>

#include "expect.h"

namespace siamaudio {
namespace {

constexpr std::pair<int64_t, int64_t> kRates[] = {{44100, 16000}, {44100, 22050}, {22050, 44100},
                                                  {48000, 44100}, {16000, 44100}, {8000, 48000}};

std::vector<float> sine(double hz, double sample_rate, size_t size) {
  std::vector<float> samples(size);
  for (size_t i = 0; i < size; ++i)
    samples[i] = static_cast<float>(std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / sample_rate));
  return samples;
}

/// The values that are at least `margin` samples from either end.
std::vector<float> middle(const std::vector<float>& samples, size_t margin) {
  return {samples.begin() + static_cast<std::ptrdiff_t>(margin), samples.end() - static_cast<std::ptrdiff_t>(margin)};
}

TEST(Resample, CountsSamplesAsLibrosaDoes) {
  for (const auto& [orig, target] : kRates) {
    for (const int64_t length : {0, 1, 2, 3, 4, 440, 441, 442, 480, 44099, 44100, 44101, 220500}) {
      const int64_t expected = (length * target + orig - 1) / orig;  // ceil, in whole numbers
      EXPECT_EQ(resampled_length(length, static_cast<double>(orig), static_cast<double>(target)), expected)
          << length << " samples, " << orig << " to " << target;
    }
  }
}

TEST(Resample, GivesAsManySamplesAsItSays) {
  for (const auto& [orig, target] : kRates) {
    for (const int64_t length : {0, 1, 2, 3, 100, 441}) {
      const auto resampled = resample(noise(length, 3), static_cast<double>(orig), static_cast<double>(target));
      EXPECT_EQ(static_cast<int64_t>(resampled.size()), (length * target + orig - 1) / orig)
          << length << ", " << orig << " to " << target;
      for (const float value : resampled) EXPECT_LT(std::abs(value), 3) << length << ", " << orig << " to " << target;
    }
  }
}

TEST(Resample, LeavesEqualRatesAlone) {
  for (const int64_t length : {0, 1, 1000}) {
    const auto samples = noise(length, 4);
    EXPECT_EQ(resample(samples, 44100, 44100), samples);
  }
}

TEST(Resample, KeepsATone) {
  for (const auto& [orig, target] : kRates) {
    const auto samples = sine(1000, static_cast<double>(orig), static_cast<size_t>(orig));
    const auto resampled = resample(samples, static_cast<double>(orig), static_cast<double>(target));
    const auto expected = sine(1000, static_cast<double>(target), static_cast<size_t>(target));
    // "HQ" is soxr's 20-bit quality: rejection of 120 dB, so errors of about 1e-6; its filter reaches some 200 samples.
    expect_close(middle(resampled, 1000), middle(expected, 1000), 1e-5,
                 std::to_string(orig) + " to " + std::to_string(target));
  }
}

TEST(Resample, KeepsAConstant) {
  for (const auto& [orig, target] : kRates) {
    const auto resampled =
        resample(std::vector<float>(10000, 0.5F), static_cast<double>(orig), static_cast<double>(target));
    const auto inner = middle(resampled, 1000);
    expect_close(inner, std::vector<double>(inner.size(), 0.5), 1e-5,
                 std::to_string(orig) + " to " + std::to_string(target));
  }
}

TEST(Resample, RemovesWhatTheTargetRateCannotHold) {
  const auto resampled = resample(sine(12000, 44100, 44100), 44100, 16000);
  for (const float value : middle(resampled, 1000)) ASSERT_LT(std::abs(value), 1e-5);
}

TEST(Resample, NamesTheRateThatItRejects) {
  const std::vector<float> samples(10);
  for (const double rate :
       {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(rejected_parameter([&] { resample(samples, rate, 16000); }), "orig_sr");
    EXPECT_EQ(rejected_parameter([&] { resample(samples, 16000, rate); }), "target_sr");
    EXPECT_EQ(rejected_parameter([&] { resample({}, rate, rate); }), "orig_sr");
    EXPECT_EQ(rejected_parameter([&] { resampled_length(10, rate, 16000); }), "orig_sr");
    EXPECT_EQ(rejected_parameter([&] { resampled_length(10, 16000, rate); }), "target_sr");
  }
}

}  // namespace
}  // namespace siamaudio

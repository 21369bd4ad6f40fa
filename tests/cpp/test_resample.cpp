#include "audio/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>
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

TEST(Resample, CountsExactlyAtEveryRate) {
  // Rates whose quotient is no double: length * (target / orig) would be one sample too many here.
  EXPECT_EQ(resampled_length(147, 44100, 24000), 80);
  for (const int64_t orig : {8000, 11025, 22050, 24000, 44100, 48000, 96000})
    for (const int64_t target : {8000, 8001, 11025, 16000, 24000, 44100, 48000})
      for (int64_t length = 0; length < 3 * orig; length += 49)
        ASSERT_EQ(resampled_length(length, static_cast<double>(orig), static_cast<double>(target)),
                  (length * target + orig - 1) / orig)
            << length << " samples, " << orig << " to " << target;
}

TEST(Resampler, GivesTheSameSamplesHoweverTheSignalIsCut) {
  for (const auto& [orig, target] : {std::pair<int64_t, int64_t>{44100, 16000},
                                     {16000, 44100},
                                     {44100, 22050},
                                     {8000, 8001},
                                     {44100, 44100},
                                     {200, 1}}) {
    for (const int64_t length : {0, 1, 2, 1000, 30000}) {
      const auto samples = noise(length, 5);
      const auto whole = resample(samples, static_cast<double>(orig), static_cast<double>(target));
      Resampler resampler(static_cast<double>(orig), static_cast<double>(target));
      for (const int64_t block_size : {int64_t{1}, int64_t{7}, int64_t{4096}, length - 1, length, length + 1}) {
        if (block_size < 1 || (block_size == 1 && length > 1000)) continue;
        std::vector<float> joined{42};
        for (int64_t start = 0; start < length; start += block_size) {
          const auto size = static_cast<size_t>(std::min(block_size, length - start));
          resampler.push(std::span(samples).subspan(static_cast<size_t>(start), size), joined);
          resampler.push({}, joined);
        }
        resampler.flush(joined);  // the next block size begins a new signal
        ASSERT_EQ(joined[0], 42) << "what was there stays";
        joined.erase(joined.begin());
        EXPECT_EQ(joined, whole) << orig << " to " << target << ", " << length << " by " << block_size;
      }
    }
  }
}

TEST(Resampler, GivesWhatIsReadyBeforeTheEnd) {
  Resampler resampler(44100, 16000);
  std::vector<float> resampled;
  for (int block = 0; block < 10; ++block) resampler.push(noise(44100, 6), resampled);
  EXPECT_GT(resampled.size(), 150000U);
  EXPECT_LT(resampled.size(), 160000U);
  resampler.flush(resampled);
  EXPECT_EQ(resampled.size(), 160000U);
}

TEST(Resample, RefusesRatesTooFarApart) {
  EXPECT_TRUE(can_resample(100, 25600));
  EXPECT_TRUE(can_resample(25600, 100));
  EXPECT_FALSE(can_resample(100, 25601));
  EXPECT_FALSE(can_resample(25601, 100));
  EXPECT_EQ(resample(std::vector<float>(10), 100, 25600).size(), 2560U);
  EXPECT_EQ(rejected_parameter([] { resample({}, 100, 25601); }), "target_sr");
  EXPECT_EQ(rejected_parameter([] { Resampler(25601, 100); }), "target_sr");
  EXPECT_EQ(rejected_parameter([] { Resampler(2e9, 2e9); }), "orig_sr");
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

#include "audio/mel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "expect.h"
#include "mel_oracle.h"

namespace siamaudio {
namespace {

TEST(MelScale, HasSlaneysValues) {
  EXPECT_DOUBLE_EQ(hz_to_mel(0, MelScale::kSlaney), 0);
  EXPECT_DOUBLE_EQ(hz_to_mel(200, MelScale::kSlaney), 3);
  EXPECT_DOUBLE_EQ(hz_to_mel(1000, MelScale::kSlaney), 15);
  EXPECT_DOUBLE_EQ(hz_to_mel(6400, MelScale::kSlaney), 42);  // 27 steps above 1 kHz
  EXPECT_DOUBLE_EQ(hz_to_mel(40960, MelScale::kSlaney), 69);
  EXPECT_DOUBLE_EQ(mel_to_hz(0, MelScale::kSlaney), 0);
  EXPECT_DOUBLE_EQ(mel_to_hz(15, MelScale::kSlaney), 1000);
  EXPECT_DOUBLE_EQ(mel_to_hz(42, MelScale::kSlaney), 6400);
}

TEST(MelScale, HasHtksValues) {
  EXPECT_DOUBLE_EQ(hz_to_mel(0, MelScale::kHtk), 0);
  EXPECT_DOUBLE_EQ(hz_to_mel(6300, MelScale::kHtk), 2595);
  EXPECT_NEAR(hz_to_mel(1000, MelScale::kHtk), 1000, 0.02);  // what the scale was made for
}

TEST(MelScale, HasAnInverse) {
  for (const double hz : {0.0, 1.0, 440.0, 999.999, 1000.0, 1000.001, 8000.0, 22050.0, 96000.0})
    for (const MelScale scale : {MelScale::kSlaney, MelScale::kHtk})
      EXPECT_NEAR(mel_to_hz(hz_to_mel(hz, scale), scale), hz, 1e-12 * (1 + hz));
}

TEST(MelScale, RisesWithoutAJump) {
  for (double hz = 990; hz < 1010; hz += 0.5) {
    const double step = hz_to_mel(hz + 0.5, MelScale::kSlaney) - hz_to_mel(hz, MelScale::kSlaney);
    EXPECT_GT(step, 0.0065);  // 0.0075 mel below 1 kHz, 0.0073 just above it
    EXPECT_LT(step, 0.0085);
  }
}

std::vector<float> mel_of(const MelFilterbank& filterbank, const std::vector<float>& power) {
  std::vector<float> mel(static_cast<size_t>(filterbank.num_mels()), -1.0F);
  filterbank.apply(power.data(), [&](int64_t band, float sum) { mel[static_cast<size_t>(band)] = sum; });
  return mel;
}

const MelOptions kOptions[] = {
    {},
    {.sample_rate = 16000, .n_fft = 512, .num_mels = 40, .fmin = 20, .fmax = 7600},
    {.sample_rate = 22050, .n_fft = 30, .num_mels = 1, .fmin = 0, .fmax = 11025},
    {.sample_rate = 8000, .n_fft = 2, .num_mels = 2, .fmin = 0, .fmax = 4000},
    {.sample_rate = 44100, .n_fft = 128, .num_mels = 65, .fmin = 0, .fmax = 22050},  // bands without a bin
    {.sample_rate = 44100, .n_fft = 1024, .num_mels = 8, .fmin = 5000, .fmax = 5100},
    {.sample_rate = 16000, .n_fft = 400, .num_mels = 23, .fmax = 8000, .scale = MelScale::kHtk, .area_norm = false},
    {.sample_rate = 16000,
     .n_fft = 512,
     .num_mels = 64,
     .fmin = 125,
     .fmax = 7500,
     .scale = MelScale::kHtk,
     .area_norm = false,
     .linear_in_mel = true},
};

TEST(MelFilterbank, HasTheTrianglesOfTheDefinition) {
  for (const auto& options : kOptions) {
    const MelFilterbank filterbank(options);
    ASSERT_EQ(filterbank.num_mels(), options.num_mels);
    const auto dense = dense_mel_filters(options);
    const auto num_bins = static_cast<size_t>(options.n_fft / 2 + 1);
    std::vector<float> power(num_bins);
    const auto matrix = filterbank.dense(options.n_fft / 2 + 1);
    for (size_t bin = 0; bin < num_bins; ++bin) {
      power[bin] = 1;
      const auto mel = mel_of(filterbank, power);
      power[bin] = 0;
      for (size_t band = 0; band < mel.size(); ++band) {
        EXPECT_EQ(matrix[band * num_bins + bin], mel[band]);
        // One rounding to float32 of weights that are at most 2 / (right - left) Hz.
        ASSERT_NEAR(mel[band], dense[band][bin], 1e-7 * dense[band][bin] + 1e-12) << "band " << band << ", bin " << bin;
      }
    }
  }
}

TEST(MelFilterbank, AppliesAsTheDenseMatrixDoes) {
  for (const auto& options : kOptions) {
    auto power = noise(options.n_fft / 2 + 1, 5);
    for (auto& value : power) value *= value;
    const auto mel = mel_of(MelFilterbank(options), power);
    const auto dense = dense_mel_filters(options);
    for (size_t band = 0; band < mel.size(); ++band) {
      double expected = 0;
      for (size_t bin = 0; bin < power.size(); ++bin) expected += dense[band][bin] * static_cast<double>(power[bin]);
      ASSERT_NEAR(mel[band], expected, 1e-5 * expected + 1e-12)
          << "band " << band;  // sums of up to 100 positive floats
    }
  }
}

TEST(MelFilterbank, GivesEachBandUnitArea) {
  // With bins this narrow the sum over bins is the integral over frequency.
  const MelOptions options{.sample_rate = 44100, .n_fft = 1 << 17, .num_mels = 40, .fmin = 0, .fmax = 22050};
  const std::vector<float> ones(static_cast<size_t>(options.n_fft / 2 + 1), 1.0F);
  const auto sums = mel_of(MelFilterbank(options), ones);
  const double bin_width = options.sample_rate / static_cast<double>(options.n_fft);
  for (const float sum : sums) EXPECT_NEAR(sum * bin_width, 1, 1e-4);
}

}  // namespace
}  // namespace siamaudio

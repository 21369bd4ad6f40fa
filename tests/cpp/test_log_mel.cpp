#include "audio/log_mel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <functional>
#include <limits>
#include <numbers>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "expect.h"
#include "mel_oracle.h"

namespace siamaudio {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Pads the whole clip, cuts frames, windows, transforms by the definition, filters, takes decibels: one step after
/// another, in double.
std::vector<double> naive_log_mel(const LogMelOptions& options, const std::vector<float>& samples) {
  const auto n_fft = static_cast<size_t>(options.n_fft);
  const auto hop = static_cast<size_t>(options.hop_length);
  std::vector<double> padded(n_fft / 2, 0.0);
  padded.insert(padded.end(), samples.begin(), samples.end());
  padded.resize(samples.size() + 2 * (n_fft / 2), 0.0);
  const size_t num_frames = (padded.size() - n_fft) / hop + 1;

  const double fmax = options.fmax == 0 ? options.sample_rate / 2 : options.fmax;
  const auto filters = dense_mel_filters({.sample_rate = options.sample_rate,
                                          .n_fft = options.n_fft,
                                          .num_mels = options.num_mels,
                                          .fmin = options.fmin,
                                          .fmax = fmax});
  std::vector<double> decibels(filters.size() * num_frames);
  for (size_t frame = 0; frame < num_frames; ++frame) {
    std::vector<double> power;
    for (size_t bin = 0; bin <= n_fft / 2; ++bin) {
      std::complex<double> sum = 0;
      for (size_t i = 0; i < n_fft; ++i) {
        const double hann =
            0.5 * (1 - std::cos(2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n_fft)));
        sum +=
            padded[frame * hop + i] * hann *
            std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(bin * i % n_fft) / static_cast<double>(n_fft));
      }
      power.push_back(std::norm(sum));
    }
    for (size_t band = 0; band < filters.size(); ++band) {
      double mel = 0;
      for (size_t bin = 0; bin < power.size(); ++bin) mel += filters[band][bin] * power[bin];
      decibels[band * num_frames + frame] =
          10 * std::log10(std::max(mel, options.amin)) - 10 * std::log10(std::max(options.ref, options.amin));
    }
  }
  if (options.top_db) {
    const double floor = *std::ranges::max_element(decibels) - *options.top_db;
    for (auto& value : decibels) value = std::max(value, floor);
  }
  return decibels;
}

std::vector<float> log_mel(const LogMelOptions& options, const std::vector<float>& samples) {
  const LogMel transform(options);
  LogMel::Workspace workspace(transform);
  const int64_t num_frames = options.num_frames(static_cast<int64_t>(samples.size()));
  std::vector<float> decibels(static_cast<size_t>(options.num_mels * num_frames), 12345.0F);
  transform.transform(samples, decibels.data(), workspace);
  return decibels;
}

// Of noise every band holds power near the loudest: float32's error of about 1e-5 of it is 5e-5 dB. Bands on which next
// to nothing falls (one sample in the window's margin) may lie 40 dB lower, where it is 1e-3 dB or more.
constexpr double kDecibels = 5e-3;

const LogMelOptions kOptions[] = {
    {.sample_rate = 8000, .n_fft = 64, .hop_length = 16, .num_mels = 12},
    {.sample_rate = 8000, .n_fft = 64, .hop_length = 100, .num_mels = 12},  // gaps between frames
    {.sample_rate = 22050, .n_fft = 60, .hop_length = 7, .num_mels = 31, .fmin = 50, .fmax = 8000},
    {.sample_rate = 16000, .n_fft = 2, .hop_length = 1, .num_mels = 1},
    {.sample_rate = 16000, .n_fft = 128, .hop_length = 32, .num_mels = 20, .ref = 0.5, .amin = 1e-6, .top_db = 20},
    {.sample_rate = 16000, .n_fft = 128, .hop_length = 32, .num_mels = 20, .ref = 1e-12, .top_db = std::nullopt},
};

TEST(LogMel, AgreesWithTheDefinitionAtEdgeLengths) {
  for (const auto& options : kOptions) {
    const int64_t hop = options.hop_length;
    const int64_t n_fft = options.n_fft;
    for (const int64_t length : {int64_t{0}, int64_t{1}, int64_t{2}, hop - 1, hop, hop + 1, n_fft / 2 - 1, n_fft / 2,
                                 n_fft / 2 + 1, n_fft - 1, n_fft, n_fft + 1, 3 * n_fft + 5}) {
      const auto samples = noise(length, static_cast<uint64_t>(length + 1));
      expect_close(log_mel(options, samples), naive_log_mel(options, samples), kDecibels,
                   "length " + std::to_string(length) + ", n_fft " + std::to_string(n_fft));
    }
  }
}

TEST(LogMel, AgreesWithTheDefinitionOnATone) {
  const LogMelOptions options{.sample_rate = 8000, .n_fft = 128, .hop_length = 40, .num_mels = 24, .top_db = 60};
  std::vector<float> samples = noise(1000, 9);
  for (size_t i = 0; i < samples.size(); ++i)
    samples[i] =
        static_cast<float>(0.01 * samples[i] + std::sin(2 * std::numbers::pi * 700 * static_cast<double>(i) / 8000));
  expect_close(log_mel(options, samples), naive_log_mel(options, samples), kDecibels);
}

TEST(LogMel, TurnsSilenceIntoTheSmallestPower) {
  for (const int64_t length : {0, 1, 15, 16, 200}) {
    const std::vector<float> silence(static_cast<size_t>(length));
    LogMelOptions options{.sample_rate = 8000, .n_fft = 64, .hop_length = 16, .num_mels = 12};
    for (const float value : log_mel(options, silence)) EXPECT_FLOAT_EQ(value, -100);
    options.top_db = std::nullopt;
    options.amin = 1e-5;
    options.ref = 10;
    for (const float value : log_mel(options, silence)) EXPECT_FLOAT_EQ(value, -60);
  }
}

TEST(LogMel, CountsFramesAsThePaddedClipHoldsThem) {
  const LogMelOptions options{.hop_length = 512};
  EXPECT_EQ(options.num_frames(0), 1);
  EXPECT_EQ(options.num_frames(511), 1);
  EXPECT_EQ(options.num_frames(512), 2);
  EXPECT_EQ(options.num_frames(220500), 431);  // ESC-50's five seconds
}

TEST(LogMel, ReusesAWorkspaceWithoutATrace) {
  const LogMelOptions options{.sample_rate = 8000, .n_fft = 64, .hop_length = 16, .num_mels = 12};
  const LogMel transform(options);
  LogMel::Workspace workspace(transform);
  for (const int64_t length : {1000, 3, 0, 500, 1000}) {
    const auto samples = noise(length, 21);
    std::vector<float> decibels(static_cast<size_t>(12 * options.num_frames(length)));
    transform.transform(samples, decibels.data(), workspace);
    EXPECT_EQ(decibels, log_mel(options, samples)) << "length " << length;
  }
}

TEST(LogMel, FillsInTheUpperFrequency) {
  EXPECT_EQ(LogMel({.sample_rate = 8000}).options().fmax, 4000);
  EXPECT_EQ(LogMel({.sample_rate = 8000, .fmax = 3000}).options().fmax, 3000);
}

TEST(LogMel, NamesTheOptionThatItRejects) {
  const std::pair<const char*, std::function<void(LogMelOptions&)>> cases[] = {
      {"sr", [](auto& o) { o.sample_rate = 0; }},
      {"sr", [](auto& o) { o.sample_rate = -8000; }},
      {"sr", [](auto& o) { o.sample_rate = kNaN; }},
      {"sr", [](auto& o) { o.sample_rate = kInfinity; }},
      {"n_fft", [](auto& o) { o.n_fft = 0; }},
      {"n_fft", [](auto& o) { o.n_fft = -2; }},
      {"n_fft", [](auto& o) { o.n_fft = 1; }},
      {"n_fft", [](auto& o) { o.n_fft = 2047; }},
      {"n_fft", [](auto& o) { o.n_fft = (1 << 24) + 2; }},
      {"hop_length", [](auto& o) { o.hop_length = 0; }},
      {"hop_length", [](auto& o) { o.hop_length = -1; }},
      {"n_mels", [](auto& o) { o.num_mels = 0; }},
      {"n_mels", [](auto& o) { o.num_mels = 1026; }},
      {"fmin", [](auto& o) { o.fmin = -1; }},
      {"fmin", [](auto& o) { o.fmin = kNaN; }},
      {"fmin", [](auto& o) { o.fmin = 22050; }},
      {"fmin", [](auto& o) { o.fmin = 5000, o.fmax = 5000; }},
      {"fmax", [](auto& o) { o.fmax = 22051; }},
      {"fmax", [](auto& o) { o.fmax = kInfinity; }},
      {"fmax", [](auto& o) { o.fmax = kNaN; }},
      {"ref", [](auto& o) { o.ref = 0; }},
      {"ref", [](auto& o) { o.ref = kNaN; }},
      {"amin", [](auto& o) { o.amin = 0; }},
      {"amin", [](auto& o) { o.amin = -1e-10; }},
      {"amin", [](auto& o) { o.amin = kNaN; }},
      {"top_db", [](auto& o) { o.top_db = -1; }},
      {"top_db", [](auto& o) { o.top_db = kNaN; }},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    LogMelOptions options;
    cases[i].second(options);
    EXPECT_EQ(rejected_parameter([&] { check(options); }), cases[i].first) << "case " << i;
    EXPECT_EQ(rejected_parameter([&] { LogMel{options}; }), cases[i].first) << "case " << i;
  }
}

TEST(LogMel, AcceptsOptionsUpToTheirLimits) {
  for (const auto& options :
       {LogMelOptions{}, LogMelOptions{.n_fft = 2, .num_mels = 2}, LogMelOptions{.num_mels = 1025},
        LogMelOptions{.fmax = 22050}, LogMelOptions{.top_db = 0}, LogMelOptions{.top_db = std::nullopt}})
    EXPECT_NO_THROW(check(options));
}

}  // namespace
}  // namespace siamaudio

#include "audio/spectrogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdlib>
#include <functional>
#include <limits>
#include <numbers>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/poll.h"
#include "expect.h"
#include "mel_oracle.h"
#include "spectrogram_options.h"

namespace siamaudio {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

SpectrogramOptions small_options() {
  return log_mel_options({.sample_rate = 8000, .n_fft = 64, .num_mels = 12, .fmax = 4000}, 16);
}

/// Cuts frames, windows, transforms by the definition, filters, takes logarithms: one step after another, in double.
/// (rows, frames)
std::vector<double> naive_spectrogram(const SpectrogramOptions& options, const std::vector<float>& samples) {
  const auto n_fft = static_cast<size_t>(options.n_fft);
  const Framing& framing = options.framing;
  const int64_t num_frames = framing.num_frames(static_cast<int64_t>(samples.size()));
  std::vector<std::vector<double>> columns;
  for (int64_t frame = 0; frame < num_frames; ++frame) {
    std::vector<float> piece(static_cast<size_t>(framing.frame_length));
    read_padded(samples, framing.pad_mode, framing.start(frame), framing.frame_length, piece.data());
    std::vector<double> x(piece.begin(), piece.end());
    double mean = 0;
    for (double& value : x) mean += (value *= options.gain) / static_cast<double>(x.size());
    if (options.remove_dc)
      for (double& value : x) value -= mean;
    std::vector<double> emphasised = x;
    for (size_t i = 0; i < x.size(); ++i) emphasised[i] = x[i] - options.preemphasis * x[i == 0 ? 0 : i - 1];

    std::vector<double> column;
    std::vector<double> bins;
    for (size_t bin = 0; bin <= n_fft / 2; ++bin) {
      std::complex<double> sum = 0;
      for (size_t i = 0; i < x.size(); ++i)
        sum +=
            emphasised[i] * static_cast<double>(options.window[i]) *
            std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(bin * i % n_fft) / static_cast<double>(n_fft));
      if (options.kind == SpectrumKind::kComplex) {
        column.push_back(sum.real());
        column.push_back(sum.imag());
      }
      bins.push_back(options.kind == SpectrumKind::kMagnitude ? std::abs(sum) : std::norm(sum));
    }
    if (options.mel) {
      for (const auto& filter : dense_mel_filters(*options.mel)) {
        column.push_back(0);
        for (size_t bin = 0; bin < bins.size(); ++bin) column.back() += filter[bin] * bins[bin];
      }
    } else if (options.kind != SpectrumKind::kComplex) {
      column = bins;
    }
    columns.push_back(column);
  }

  const LogScale& log = options.log;
  double largest = 0;
  for (const auto& column : columns)
    for (const double value : column) largest = std::max(largest, value);
  const double root = options.kind == SpectrumKind::kMagnitude ? 2 : 1;  // magnitudes to powers
  const auto decibels = [&](double value) { return 10 * std::log10(std::max(std::pow(value, root), log.amin)); };
  const double ref_db = log.ref ? 10 * std::log10(std::max(*log.ref, log.amin)) : decibels(largest);
  std::vector<double> rows;
  for (int64_t row = 0; !columns.empty() && row < static_cast<int64_t>(columns[0].size()); ++row) {
    for (const auto& column : columns) {
      double value = column[static_cast<size_t>(row)];
      if (options.kind != SpectrumKind::kComplex) {
        if (log.kind == LogKind::kDecibels) value = decibels(value) - ref_db;
        if (log.kind == LogKind::kDecibels && log.top_db)
          value = std::max(value, decibels(largest) - ref_db - *log.top_db);
        if (log.kind == LogKind::kFloor) value = std::log(std::max(value, log.amin));
        if (log.kind == LogKind::kOffset) value = std::log(value + log.offset);
        if (log.kind == LogKind::kNonZero) value = value == 0 ? 0 : std::log(value);
      }
      rows.push_back(value);
    }
  }
  return rows;
}

std::vector<float> spectrogram(const Spectrogram& transform, const std::vector<float>& samples) {
  std::vector<float> rows(
      static_cast<size_t>(transform.num_rows() * transform.num_frames(static_cast<int64_t>(samples.size()))), 12345.0F);
  EXPECT_TRUE(transform.transform(samples, rows.data()));
  return rows;
}

/// Runs its body once with each instruction set of this machine.
void with_every_isa(const std::function<void(const std::string&)>& body) {
  for (const Isa isa : usable_isas()) {
    ASSERT_EQ(setenv("SIAMAUDIO_ISA", isa_name(isa).c_str(), 1), 0);
    EXPECT_EQ(Spectrogram(small_options()).isa(), isa);
    body(isa_name(isa));
  }
  unsetenv("SIAMAUDIO_ISA");
}

/// Every convention's peculiarities, at sizes that the definition can compute.
std::vector<SpectrogramOptions> many_options() {
  std::vector<SpectrogramOptions> all;
  const auto add = [&](const std::function<void(SpectrogramOptions&)>& change) {
    all.push_back(small_options());
    change(all.back());
  };
  add([](auto&) {});
  add([](auto& o) { o.framing.hop_length = 100; });  // gaps between frames
  add([](auto& o) { o.framing.hop_length = 1; });
  for (const auto mode : {PadMode::kReflect, PadMode::kSymmetric, PadMode::kEdge, PadMode::kWrap})
    add([&](auto& o) { o.framing.pad_mode = mode; });
  add([](auto& o) { o.framing.placement = Placement::kInside; });
  add([](auto& o) { o.framing.placement = Placement::kMidpoint, o.framing.pad_mode = PadMode::kSymmetric; });
  add([](auto& o) { o.framing.frame_length = 41, o.window = hann(41); });
  add([](auto& o) { o.framing.frame_length = 1, o.window = {0.5F}; });
  add([](auto& o) { o.gain = 32768, o.remove_dc = true, o.preemphasis = 0.97F; });
  add([](auto& o) { o.kind = SpectrumKind::kMagnitude; });
  add([](auto& o) { o.kind = SpectrumKind::kMagnitude, o.mel.reset(), o.log.ref.reset(); });
  add([](auto& o) { o.mel.reset(); });
  add([](auto& o) { o.mel.reset(), o.log.kind = LogKind::kNone; });
  add([](auto& o) { o.mel.reset(), o.log.kind = LogKind::kNone, o.kind = SpectrumKind::kComplex; });
  add([](auto& o) { o.mel->scale = MelScale::kHtk, o.mel->area_norm = false; });
  add([](auto& o) { o.mel->scale = MelScale::kHtk, o.mel->linear_in_mel = true, o.mel->fmin = 125; });
  add([](auto& o) { o.log = {.ref = 0.5, .top_db = 20}; });
  add([](auto& o) { o.log = {.ref = std::nullopt, .top_db = 30}; });
  add([](auto& o) { o.log = {.amin = 1e-3, .ref = std::nullopt, .top_db = std::nullopt}; });
  add([](auto& o) { o.log = {.kind = LogKind::kFloor, .amin = 1e-3}; });
  add([](auto& o) { o.log = {.kind = LogKind::kOffset, .offset = 1e-3}; });
  add([](auto& o) { o.log.kind = LogKind::kNonZero, o.window.assign(64, 1.0F); });
  for (const int64_t n_fft : {2, 6, 30, 60, 154, 128})  // one complex number, odd halves, prime factors to 11
    add([&](auto& o) {
      o.n_fft = o.mel->n_fft = o.framing.frame_length = n_fft;
      o.mel->num_mels = std::min<int64_t>(12, n_fft / 2 + 1);
      o.window = hann(n_fft);
    });
  return all;
}

// Of noise every band holds power near the loudest: float32's error of about 1e-5 of it is 5e-5 dB. Bands on which next
// to nothing falls (one sample in the window's margin) may lie 40 dB lower, where it is 1e-3 dB or more. Values that
// are not logarithms are compared in proportion to the largest.
constexpr double kDecibels = 5e-3;
constexpr double kRelative = 1e-5;

TEST(Spectrogram, AgreesWithTheDefinitionAtEdgeLengths) {
  const auto all = many_options();
  with_every_isa([&](const std::string& isa) {
    for (size_t i = 0; i < all.size(); ++i) {
      const auto& options = all[i];
      const Spectrogram transform(options);
      const int64_t hop = options.framing.hop_length;
      const int64_t n_fft = options.n_fft;
      for (const int64_t length : {int64_t{0}, int64_t{1}, int64_t{2}, hop - 1, hop + 1, n_fft / 2 - 1, n_fft / 2,
                                   n_fft - 1, n_fft, n_fft + 1, 3 * n_fft + 5}) {
        auto samples = noise(length, static_cast<uint64_t>(length + 1));
        for (float& sample : samples) sample += 0.1F;
        const auto expected = naive_spectrogram(options, samples);
        double tolerance = kDecibels;
        if (options.log.kind == LogKind::kNone) {
          tolerance = 1e-6;
          for (const double value : expected) tolerance = std::max(tolerance, kRelative * std::abs(value));
        }
        // A silent band's logarithm is that of rounding noise, which the definition does not share.
        if (options.log.kind == LogKind::kNonZero && length < n_fft) continue;
        expect_close(spectrogram(transform, samples), expected, tolerance,
                     isa + ", options " + std::to_string(i) + ", length " + std::to_string(length));
      }
    }
  });
}

TEST(Spectrogram, OfSilence) {
  auto options = small_options();
  for (const int64_t length : {0, 1, 15, 16, 200}) {
    const std::vector<float> silence(static_cast<size_t>(length));
    const auto expect = [&](float expected) {
      for (const float value : spectrogram(Spectrogram(options), silence)) EXPECT_FLOAT_EQ(value, expected);
    };
    options.log = {};
    expect(-100);
    options.log = {.amin = 1e-5, .ref = 10, .top_db = std::nullopt};
    expect(-60);
    options.log = {.ref = std::nullopt};
    expect(0);
    options.log = {.kind = LogKind::kNonZero};
    expect(0);
    options.log = {.kind = LogKind::kOffset, .offset = 1};
    expect(0);
    options.log = {.kind = LogKind::kFloor, .amin = 1};
    expect(0);
  }
}

TEST(Spectrogram, GivesTheSameBitsInOnePieceAndOverThreads) {
  const Spectrogram transform(small_options());
  with_every_isa([&](const std::string& isa) {
    const Spectrogram spectra(small_options());
    for (const int64_t num_clips : {0, 1, 3}) {
      for (const int64_t num_samples : {0, 1, 100, 30000}) {  // the last is several pieces
        const auto clips = noise(num_clips * num_samples, 5);
        std::vector<float> expected;
        for (int64_t clip = 0; clip < num_clips; ++clip) {
          const auto first = clips.begin() + clip * num_samples;
          const auto rows = spectrogram(spectra, {first, first + num_samples});
          expected.insert(expected.end(), rows.begin(), rows.end());
        }
        for (const int num_threads : {0, 1, 2, 5}) {
          std::vector<float> rows(expected.size(), 12345.0F);
          EXPECT_TRUE(spectra.transform(clips.data(), num_clips, num_samples, rows.data(), num_threads).empty());
          EXPECT_EQ(rows, expected) << isa << ", " << num_clips << " clips of " << num_samples << ", " << num_threads;
        }
      }
    }
  });
}

TEST(Spectrogram, NamesTheClipsThatAreNotFinite) {
  const Spectrogram transform(small_options());
  constexpr int64_t kNumSamples = 3000;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(), 1e30F}) {
    for (const int64_t position : {0, 1, 1500, 2999}) {
      auto clips = noise(3 * kNumSamples, 8);
      clips[static_cast<size_t>(kNumSamples + position)] = bad;
      std::vector<float> rows(static_cast<size_t>(3 * 12 * transform.num_frames(kNumSamples)));
      for (const int num_threads : {1, 2})
        EXPECT_EQ(transform.transform(clips.data(), 3, kNumSamples, rows.data(), num_threads), std::vector<int64_t>{1})
            << bad << " at " << position;
    }
  }
}

TEST(Spectrogram, TakesSubnormalSamples) {
  auto options = small_options();
  const std::vector<float> tiny(500, 1e-41F);
  for (const float value : spectrogram(Spectrogram(options), tiny)) EXPECT_FLOAT_EQ(value, -100);
}

TEST(Spectrogram, CanBeInterrupted) {
  const Spectrogram transform(small_options());
  constexpr int64_t kNumSamples = 30000000;  // several hundred ms: the loop polls every 50 ms
  const std::vector<float> samples(kNumSamples);
  std::vector<float> rows(static_cast<size_t>(12 * transform.num_frames(kNumSamples)));
  EXPECT_THROW(transform.transform(samples.data(), 1, kNumSamples, rows.data(), 1, [] { throw Interrupted(); }),
               Interrupted);
}

TEST(Spectrogram, NamesTheOptionThatItRejects) {
  const std::pair<const char*, std::function<void(SpectrogramOptions&)>> cases[] = {
      {"sr", [](auto& o) { o.sample_rate = 0; }},
      {"sr", [](auto& o) { o.sample_rate = -8000; }},
      {"sr", [](auto& o) { o.sample_rate = kNaN; }},
      {"sr", [](auto& o) { o.sample_rate = kInfinity; }},
      {"n_fft", [](auto& o) { o.n_fft = 0; }},
      {"n_fft", [](auto& o) { o.n_fft = -2; }},
      {"n_fft", [](auto& o) { o.n_fft = 1; }},
      {"n_fft", [](auto& o) { o.n_fft = 63; }},
      {"n_fft", [](auto& o) { o.n_fft = (1 << 20) + 2; }},
      {"hop_length", [](auto& o) { o.framing.hop_length = 0; }},
      {"hop_length", [](auto& o) { o.framing.hop_length = -1; }},
      {"win_length", [](auto& o) { o.framing.frame_length = 0; }},
      {"win_length", [](auto& o) { o.framing.frame_length = 65; }},
      {"window", [](auto& o) { o.window.pop_back(); }},
      {"window", [](auto& o) { o.window[3] = std::numeric_limits<float>::quiet_NaN(); }},
      {"gain", [](auto& o) { o.gain = 0; }},
      {"gain", [](auto& o) { o.gain = kInfinity; }},
      {"preemphasis", [](auto& o) { o.preemphasis = -0.1; }},
      {"preemphasis", [](auto& o) { o.preemphasis = kNaN; }},
      {"kind", [](auto& o) { o.kind = SpectrumKind::kComplex; }},
      {"kind", [](auto& o) { o.kind = SpectrumKind::kComplex, o.mel.reset(); }},
      {"n_mels", [](auto& o) { o.mel->num_mels = 0; }},
      {"n_mels", [](auto& o) { o.mel->num_mels = 34; }},
      {"fmin", [](auto& o) { o.mel->fmin = -1; }},
      {"fmin", [](auto& o) { o.mel->fmin = kNaN; }},
      {"fmin", [](auto& o) { o.mel->fmin = 4000; }},
      {"fmin", [](auto& o) { o.mel->fmin = 3000, o.mel->fmax = 3000; }},
      {"fmax", [](auto& o) { o.mel->fmax = 4001; }},
      {"fmax", [](auto& o) { o.mel->fmax = 0; }},
      {"fmax", [](auto& o) { o.mel->fmax = kNaN; }},
      {"ref", [](auto& o) { o.log.ref = 0; }},
      {"ref", [](auto& o) { o.log.ref = kNaN; }},
      {"amin", [](auto& o) { o.log.amin = 0; }},
      {"amin", [](auto& o) { o.log.amin = -1e-10; }},
      {"amin", [](auto& o) { o.log.amin = kNaN; }},
      {"top_db", [](auto& o) { o.log.top_db = -1; }},
      {"top_db", [](auto& o) { o.log.top_db = kNaN; }},
      {"log_offset", [](auto& o) { o.log.kind = LogKind::kOffset; }},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    auto options = small_options();
    cases[i].second(options);
    EXPECT_EQ(rejected_parameter([&] { check(options); }), cases[i].first) << "case " << i;
    EXPECT_EQ(rejected_parameter([&] { Spectrogram{options}; }), cases[i].first) << "case " << i;
  }
}

TEST(Spectrogram, NamesAnInstructionSetThatItDoesNotHave) {
  ASSERT_EQ(setenv("SIAMAUDIO_ISA", "mmx", 1), 0);
  EXPECT_EQ(rejected_parameter([] { chosen_isa(); }), "SIAMAUDIO_ISA");
  ASSERT_EQ(setenv("SIAMAUDIO_ISA", "", 1), 0);  // as good as absent
  EXPECT_EQ(chosen_isa(), usable_isas().back());
  unsetenv("SIAMAUDIO_ISA");
}

}  // namespace
}  // namespace siamaudio

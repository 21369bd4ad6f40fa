#include "audio/extract.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "audio/resample.h"
#include "expect.h"
#include "spectrogram_options.h"
#include "wav_bytes.h"

namespace siamaudio {
namespace {

using Extract = FolderTest;

SpectrogramOptions options() {
  return log_mel_options({.sample_rate = 8000, .n_fft = 64, .num_mels = 12, .fmax = 4000}, 16);
}
constexpr float kUntouched = 12345;

/// One clip after another.
std::vector<float> transform_one_by_one(const Spectrogram& spectrogram, const std::vector<std::vector<float>>& clips) {
  std::vector<float> all;
  for (const auto& clip : clips) {
    std::vector<float> rows(static_cast<size_t>(12 * spectrogram.num_frames(static_cast<int64_t>(clip.size()))));
    EXPECT_TRUE(spectrogram.transform(clip, rows.data()));
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

TEST_F(Extract, MixesResamplesAndFitsEachFile) {
  std::vector<int64_t> ramp(500);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<int64_t>((i * 7919) % 20011) - 10000;
  std::vector<int64_t> doubled;
  for (const int64_t value : ramp) doubled.insert(doubled.end(), {value, value});
  const std::vector<std::string> paths{
      write("same.wav", wav({}, pcm(ramp, 2))),
      write("stereo.wav", wav({.num_channels = 2}, pcm(doubled, 2))),
      write("short.wav", wav({}, pcm({ramp.begin(), ramp.begin() + 30}, 2))),
      write("rate.wav", wav({.sample_rate = 4000}, pcm({ramp.begin(), ramp.begin() + 150}, 2))),
  };

  constexpr int64_t kNumSamples = 300;
  std::vector<float> mono;
  for (const int64_t value : ramp) mono.push_back(static_cast<float>(value) / 32768);
  const std::vector<float> cut(mono.begin(), mono.begin() + kNumSamples);
  std::vector<float> padded(mono.begin(), mono.begin() + 30);
  padded.resize(kNumSamples);
  const auto faster = resample(std::span(mono).first(150), 4000, 8000);
  const Spectrogram spectrogram(options());
  const auto expected = transform_one_by_one(spectrogram, {cut, cut, padded, faster});

  for (const int num_threads : {1, 4}) {
    std::vector<float> rows(expected.size(), kUntouched);
    EXPECT_TRUE(transform_files(spectrogram, paths, kNumSamples, rows.data(), num_threads, {}).empty());
    EXPECT_EQ(rows, expected) << num_threads << " threads";
  }
}

TEST_F(Extract, ReportsTheClipsThatFailAndLeavesTheirPlacesAlone) {
  const auto good = write("good.wav", wav({}, pcm({100, 200, 300}, 2)));
  const std::vector<std::string> paths{path("absent.wav"), good, write("text.wav", "no sound"), good,
                                       write("silent.wav", wav({}, ""))};
  const Spectrogram spectrogram(options());
  constexpr int64_t kNumSamples = 40;
  const auto clip_size = static_cast<size_t>(12 * spectrogram.num_frames(kNumSamples));
  std::vector<float> rows(paths.size() * clip_size, kUntouched);
  const auto failed = transform_files(spectrogram, paths, kNumSamples, rows.data(), 3, {});

  ASSERT_EQ(failed.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(failed[i].index, static_cast<int64_t>(2 * i));
    EXPECT_EQ(failed[i].path, paths[2 * i]);
    EXPECT_FALSE(failed[i].reason.empty());
  }
  for (size_t clip = 0; clip < paths.size(); ++clip) {
    const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(clip * clip_size);
    const auto num_untouched = std::count(begin, begin + static_cast<std::ptrdiff_t>(clip_size), kUntouched);
    EXPECT_EQ(num_untouched, clip % 2 == 0 ? static_cast<std::ptrdiff_t>(clip_size) : 0) << "clip " << clip;
  }
}

}  // namespace
}  // namespace siamaudio

#include "audio/extract.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "audio/resample.h"
#include "expect.h"
#include "spectrogram_options.h"
#include "wav_bytes.h"

namespace siamaudio {
namespace {

using Extract = FolderTest;

SpectrogramOptions front_end() {
  return log_mel_options({.sample_rate = 8000, .n_fft = 64, .num_mels = 12, .fmax = 4000}, 16);
}
constexpr float kUntouched = 12345;
constexpr int64_t kInOrder[]{0, 1, 2, 3, 4};  // positions

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
  const Spectrogram spectrogram(front_end());
  const auto expected = transform_one_by_one(spectrogram, {cut, cut, padded, faster});

  for (const int num_threads : {1, 4}) {
    std::vector<float> rows(expected.size(), kUntouched);
    std::vector<int64_t> lengths(4, -1);
    const FilesOptions options{.num_samples = kNumSamples, .num_threads = num_threads};
    EXPECT_TRUE(transform_files(spectrogram, paths, kInOrder, options, rows.data(), lengths.data(), {}).empty());
    EXPECT_EQ(rows, expected) << num_threads << " threads";
    EXPECT_EQ(lengths, (std::vector<int64_t>{1 + 300 / 16, 1 + 300 / 16, 1 + 30 / 16, 1 + 300 / 16}));
  }
}

TEST_F(Extract, TakesTheMiddleOrARandomPartOfLongerFiles) {
  constexpr int64_t kNumSamples = 100;
  constexpr int64_t kNumAvailable = 117;
  std::vector<int64_t> ramp(kNumAvailable);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<int64_t>((i * 7919) % 20011) - 10000;
  std::vector<float> mono;
  for (const int64_t value : ramp) mono.push_back(static_cast<float>(value) / 32768);
  const Spectrogram spectrogram(front_end());
  std::vector<std::vector<float>> parts;  // one for each place where a part can begin
  for (int64_t start = 0; start + kNumSamples <= kNumAvailable; ++start)
    parts.push_back(transform_one_by_one(spectrogram, {{mono.begin() + start, mono.begin() + start + kNumSamples}}));

  const std::vector<std::string> paths(200, write("ramp.wav", wav({}, pcm(ramp, 2))));
  std::vector<int64_t> positions(paths.size());
  std::iota(positions.begin(), positions.end(), 1000);
  const size_t clip_size = parts[0].size();
  const auto starts = [&](FilesOptions options, size_t first, size_t last) {
    options.num_samples = kNumSamples;
    const std::vector<std::string> chosen(paths.begin(), paths.begin() + static_cast<int64_t>(last - first));
    std::vector<float> rows(chosen.size() * clip_size);
    std::vector<int64_t> lengths(chosen.size());
    EXPECT_TRUE(transform_files(spectrogram, chosen, positions.data() + first, options, rows.data(), lengths.data(), {})
                    .empty());
    std::vector<int64_t> found;
    for (auto clip = rows.begin(); clip != rows.end(); clip += static_cast<std::ptrdiff_t>(clip_size)) {
      const std::vector<float> values(clip, clip + static_cast<std::ptrdiff_t>(clip_size));
      found.push_back(std::ranges::find(parts, values) - parts.begin());
    }
    return found;
  };

  EXPECT_EQ(starts({.crop = Crop::kStart}, 0, 2), (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(starts({.crop = Crop::kCenter}, 0, 2), (std::vector<int64_t>{8, 8}));
  const auto random = starts({.crop = Crop::kRandom, .seed = 7, .num_threads = 1}, 0, 200);
  // Each of the 18 places is missing among 200 draws with probability 1e-5.
  EXPECT_EQ(std::set<int64_t>(random.begin(), random.end()).size(), parts.size());
  EXPECT_EQ(*std::ranges::max_element(random), kNumAvailable - kNumSamples);
  EXPECT_NE(starts({.crop = Crop::kRandom, .seed = 8}, 0, 200), random);
  const std::vector<int64_t> some(random.begin() + 50, random.begin() + 60);
  EXPECT_EQ(starts({.crop = Crop::kRandom, .seed = 7, .num_threads = 3}, 50, 60), some);
}

TEST_F(Extract, PadsShorterFilesWhateverTheCrop) {
  const std::vector<std::string> paths(3, write("short.wav", wav({}, pcm({100, 2000, -300}, 2))));
  const Spectrogram spectrogram(front_end());
  std::vector<float> samples{100 / 32768.0F, 2000 / 32768.0F, -300 / 32768.0F};
  samples.resize(40);
  const auto expected = transform_one_by_one(spectrogram, {samples, samples, samples});
  for (const Crop crop : {Crop::kStart, Crop::kCenter, Crop::kRandom}) {
    std::vector<float> rows(expected.size(), kUntouched);
    std::vector<int64_t> lengths(3);
    transform_files(spectrogram, paths, kInOrder, {.num_samples = 40, .crop = crop}, rows.data(), lengths.data(), {});
    EXPECT_EQ(rows, expected);
    EXPECT_EQ(lengths, (std::vector<int64_t>{1, 1, 1}));
  }
}

TEST(Crop, IsNamed) {
  EXPECT_EQ(parse_crop("start"), Crop::kStart);
  EXPECT_EQ(parse_crop("center"), Crop::kCenter);
  EXPECT_EQ(parse_crop("random"), Crop::kRandom);
  EXPECT_EQ(rejected_parameter([] { parse_crop("end"); }), "crop");
}

TEST_F(Extract, ReportsTheClipsThatFailAndLeavesTheirPlacesAlone) {
  const auto good = write("good.wav", wav({}, pcm({100, 200, 300}, 2)));
  const std::vector<std::string> paths{path("absent.wav"), good, write("text.wav", "no sound"), good,
                                       write("silent.wav", wav({}, ""))};
  const Spectrogram spectrogram(front_end());
  constexpr int64_t kNumSamples = 40;
  const auto clip_size = static_cast<size_t>(12 * spectrogram.num_frames(kNumSamples));
  std::vector<float> rows(paths.size() * clip_size, kUntouched);
  std::vector<int64_t> lengths(paths.size(), -1);
  const FilesOptions options{.num_samples = kNumSamples, .num_threads = 3};
  const auto failed = transform_files(spectrogram, paths, kInOrder, options, rows.data(), lengths.data(), {});
  EXPECT_EQ(lengths, (std::vector<int64_t>{0, 1, 0, 1, 0}));

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

TEST_F(Extract, TransformsAFileOfAnyLengthAsItsSamples) {
  const Spectrogram spectrogram(front_end());
  for (const int64_t size : {1, 63, 64, 1000, 100000}) {  // the last is several blocks and rounds
    std::vector<int64_t> values;
    std::vector<float> samples;
    for (int64_t i = 0; i < size; ++i) {
      values.push_back((i * 7919) % 20011 - 10000);
      samples.push_back(static_cast<float>(values.back()) / 32768);
    }
    const auto file = write("any.wav", wav({}, pcm(values, 2)));
    for (const int num_threads : {1, 2})
      EXPECT_EQ(transform_file(spectrogram, file, {}, num_threads, {}), transform_one_by_one(spectrogram, {samples}));
    if (size < 1000) continue;
    const std::vector<float> part(samples.begin() + 80, samples.begin() + 480);
    EXPECT_EQ(transform_file(spectrogram, file, {.offset_seconds = 0.01, .duration_seconds = 0.05}, 1, {}),
              transform_one_by_one(spectrogram, {part}));
    const auto slow = write("slow.wav", wav({.sample_rate = 5000}, pcm(values, 2)));
    EXPECT_EQ(transform_file(spectrogram, slow, {}, 1, {}),
              transform_one_by_one(spectrogram, {resample(samples, 5000, 8000)}));
  }
}

TEST_F(Extract, RefusesAFileWithoutSamplesOrWithValuesThatAreNotFinite) {
  const Spectrogram spectrogram(front_end());
  EXPECT_THROW(transform_file(spectrogram, write("silent.wav", wav({}, "")), {}, 1, {}), AudioError);
  EXPECT_THROW(transform_file(spectrogram, path("absent.wav"), {}, 1, {}), AudioError);
}

TEST_F(Extract, CanBeInterrupted) {
  const Spectrogram spectrogram(front_end());
  const auto file = write("long.wav", wav({}, pcm(std::vector<int64_t>(300000), 2)));
  EXPECT_THROW(transform_file(spectrogram, file, {}, 1, [] { throw Interrupted(); }), Interrupted);
}

}  // namespace
}  // namespace siamaudio

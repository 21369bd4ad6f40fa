#include "audio/extract.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "audio/resample.h"
#include "expect.h"
#include "wav_bytes.h"

namespace siamaudio {
namespace {

using Extract = FolderTest;

const LogMelOptions kOptions{.sample_rate = 8000, .n_fft = 64, .hop_length = 16, .num_mels = 12};
constexpr float kUntouched = 12345;
constexpr int64_t kInOrder[]{0, 1, 2, 3, 4};  // positions

/// One clip after another.
std::vector<float> transform_one_by_one(const LogMel& log_mel, const std::vector<std::vector<float>>& clips) {
  std::vector<float> all;
  for (const auto& clip : clips) {
    LogMel::Workspace workspace(log_mel);
    std::vector<float> decibels(static_cast<size_t>(12 * kOptions.num_frames(static_cast<int64_t>(clip.size()))));
    log_mel.transform(clip, decibels.data(), workspace);
    all.insert(all.end(), decibels.begin(), decibels.end());
  }
  return all;
}

TEST(TransformClips, GivesWhatEachClipGivesAloneOnAnyNumberOfThreads) {
  const LogMel log_mel(kOptions);
  for (const int64_t num_clips : {0, 1, 2, 7}) {
    for (const int64_t num_samples : {0, 1, 100}) {
      std::vector<std::vector<float>> clips;
      std::vector<float> samples;
      for (int64_t clip = 0; clip < num_clips; ++clip) {
        clips.push_back(noise(num_samples, static_cast<uint64_t>(clip)));
        samples.insert(samples.end(), clips.back().begin(), clips.back().end());
      }
      const auto expected = transform_one_by_one(log_mel, clips);
      for (const int num_threads : {0, 1, 3}) {
        std::vector<float> decibels(expected.size(), kUntouched);
        transform_clips(log_mel, samples.data(), num_clips, num_samples, decibels.data(), num_threads, {});
        EXPECT_EQ(decibels, expected) << num_clips << " clips of " << num_samples << ", " << num_threads << " threads";
      }
    }
  }
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
  const LogMel log_mel(kOptions);
  const auto expected = transform_one_by_one(log_mel, {cut, cut, padded, faster});

  for (const int num_threads : {1, 4}) {
    std::vector<float> decibels(expected.size(), kUntouched);
    std::vector<int64_t> lengths(4, -1);
    const FilesOptions options{.num_samples = kNumSamples, .num_threads = num_threads};
    EXPECT_TRUE(transform_files(log_mel, paths, kInOrder, options, decibels.data(), lengths.data(), {}).empty());
    EXPECT_EQ(decibels, expected) << num_threads << " threads";
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
  const LogMel log_mel(kOptions);
  std::vector<std::vector<float>> parts;  // one for each place where a part can begin
  for (int64_t start = 0; start + kNumSamples <= kNumAvailable; ++start)
    parts.push_back(transform_one_by_one(log_mel, {{mono.begin() + start, mono.begin() + start + kNumSamples}}));

  const std::vector<std::string> paths(200, write("ramp.wav", wav({}, pcm(ramp, 2))));
  std::vector<int64_t> positions(paths.size());
  std::iota(positions.begin(), positions.end(), 1000);
  const size_t clip_size = parts[0].size();
  const auto starts = [&](FilesOptions options, size_t first, size_t last) {
    options.num_samples = kNumSamples;
    const std::vector<std::string> chosen(paths.begin(), paths.begin() + static_cast<int64_t>(last - first));
    std::vector<float> decibels(chosen.size() * clip_size);
    std::vector<int64_t> lengths(chosen.size());
    EXPECT_TRUE(transform_files(log_mel, chosen, positions.data() + first, options, decibels.data(), lengths.data(), {})
                    .empty());
    std::vector<int64_t> found;
    for (auto clip = decibels.begin(); clip != decibels.end(); clip += static_cast<std::ptrdiff_t>(clip_size)) {
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
  const LogMel log_mel(kOptions);
  std::vector<float> samples{100 / 32768.0F, 2000 / 32768.0F, -300 / 32768.0F};
  samples.resize(40);
  const auto expected = transform_one_by_one(log_mel, {samples, samples, samples});
  for (const Crop crop : {Crop::kStart, Crop::kCenter, Crop::kRandom}) {
    std::vector<float> decibels(expected.size(), kUntouched);
    std::vector<int64_t> lengths(3);
    transform_files(log_mel, paths, kInOrder, {.num_samples = 40, .crop = crop}, decibels.data(), lengths.data(), {});
    EXPECT_EQ(decibels, expected);
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
  const LogMel log_mel(kOptions);
  constexpr int64_t kNumSamples = 40;
  const auto clip_size = static_cast<size_t>(12 * kOptions.num_frames(kNumSamples));
  std::vector<float> decibels(paths.size() * clip_size, kUntouched);
  std::vector<int64_t> lengths(paths.size(), -1);
  const FilesOptions options{.num_samples = kNumSamples, .num_threads = 3};
  const auto failed = transform_files(log_mel, paths, kInOrder, options, decibels.data(), lengths.data(), {});
  EXPECT_EQ(lengths, (std::vector<int64_t>{0, 1, 0, 1, 0}));

  ASSERT_EQ(failed.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(failed[i].index, static_cast<int64_t>(2 * i));
    EXPECT_EQ(failed[i].path, paths[2 * i]);
    EXPECT_FALSE(failed[i].reason.empty());
  }
  for (size_t clip = 0; clip < paths.size(); ++clip) {
    const auto begin = decibels.begin() + static_cast<std::ptrdiff_t>(clip * clip_size);
    const auto num_untouched = std::count(begin, begin + static_cast<std::ptrdiff_t>(clip_size), kUntouched);
    EXPECT_EQ(num_untouched, clip % 2 == 0 ? static_cast<std::ptrdiff_t>(clip_size) : 0) << "clip " << clip;
  }
}

TEST_F(Extract, CanBeInterrupted) {
  const LogMel log_mel(kOptions);
  constexpr int64_t kNumSamples = 2000000;  // some 100 ms a clip: the loop polls every 50 ms
  const std::vector<float> samples(kNumSamples);
  std::vector<float> decibels(static_cast<size_t>(12 * kOptions.num_frames(kNumSamples)));
  EXPECT_THROW(
      transform_clips(log_mel, samples.data(), 1, kNumSamples, decibels.data(), 1, [] { throw Interrupted(); }),
      Interrupted);
}

}  // namespace
}  // namespace siamaudio

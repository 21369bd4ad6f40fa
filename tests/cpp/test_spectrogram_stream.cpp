#include "audio/spectrogram_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "expect.h"
#include "spectrogram_options.h"

namespace siamaudio {
namespace {

SpectrogramOptions small_options() {
  return log_mel_options({.sample_rate = 8000, .n_fft = 64, .num_mels = 12, .fmax = 4000}, 16);
}

std::vector<float> at_once(const Spectrogram& spectrogram, const std::vector<float>& clip) {
  std::vector<float> rows(static_cast<size_t>(12 * spectrogram.num_frames(static_cast<int64_t>(clip.size()))));
  EXPECT_TRUE(spectrogram.transform(clip, rows.data()));
  return rows;
}

std::vector<float> in_blocks(SpectrogramStream& stream, const std::vector<float>& clip, int64_t block,
                             int64_t num_frames) {
  std::vector<float> rows(static_cast<size_t>(12 * num_frames), 12345.0F);
  stream.start(rows.data(), num_frames);
  const auto size = static_cast<int64_t>(clip.size());
  for (int64_t position = 0; position < size; position += block) {
    const int64_t count = std::min(block, size - position);
    std::copy_n(clip.begin() + position, count, stream.room(block));
    stream.push(count);
  }
  EXPECT_TRUE(stream.finish().is_finite);
  return rows;
}

TEST(SpectrogramStream, GivesTheSameBitsAsTheWholeClip) {
  std::vector<SpectrogramOptions> all(8, small_options());
  all[1].framing.pad_mode = PadMode::kReflect;
  all[2].framing.pad_mode = PadMode::kWrap;
  all[3].framing.pad_mode = PadMode::kEdge;
  all[4].framing.placement = Placement::kInside;
  all[5].framing = {
      .frame_length = 64, .hop_length = 16, .placement = Placement::kMidpoint, .pad_mode = PadMode::kSymmetric};
  all[6].framing.hop_length = 200;
  all[7].log.ref.reset();
  for (size_t i = 0; i < all.size(); ++i) {
    const Spectrogram spectrogram(all[i]);
    for (const int num_threads : {1, 2}) {
      SpectrogramStream stream(spectrogram, num_threads);
      // From an empty clip to several rounds of 512 frames a thread, in blocks from one sample to all.
      for (const int64_t size : {0, 1, 31, 63, 64, 65, 1000, 8192 + 63, 40000, 220000}) {
        const auto clip = noise(size, 11);
        const auto expected = at_once(spectrogram, clip);
        for (const int64_t block : {int64_t{1}, int64_t{777}, int64_t{65536}, size + 1}) {
          if (block == 1 && size > 10000) continue;
          EXPECT_EQ(in_blocks(stream, clip, block, spectrogram.num_frames(size)), expected)
              << "options " << i << ", " << size << " samples in blocks of " << block << ", " << num_threads;
        }
      }
    }
  }
}

TEST(SpectrogramStream, DropsWhatThereIsNoRoomFor) {
  auto options = small_options();
  options.log.top_db.reset();
  const Spectrogram spectrogram(options);
  SpectrogramStream stream(spectrogram);
  const auto clip = noise(30000, 12);
  const auto whole = at_once(spectrogram, clip);
  const int64_t num_frames = spectrogram.num_frames(30000);
  for (const int64_t stride : {int64_t{0}, int64_t{1}, int64_t{600}, num_frames - 1}) {
    std::vector<float> rows(static_cast<size_t>(12 * stride));
    stream.start(rows.data(), stride);
    for (int i = 0; i < 30; ++i) {
      std::copy_n(clip.begin() + 1000 * i, 1000, stream.room(1000));
      stream.push(1000);
    }
    EXPECT_EQ(stream.finish().num_frames, num_frames);
    for (int64_t row = 0; row < 12; ++row)
      for (int64_t frame = 0; frame < stride; ++frame)
        ASSERT_EQ(rows[static_cast<size_t>(row * stride + frame)],
                  whole[static_cast<size_t>(row * num_frames + frame)]);
  }
}

TEST(SpectrogramStream, TellsOfValuesThatAreNotFinite) {
  const Spectrogram spectrogram(small_options());
  SpectrogramStream stream(spectrogram);
  for (const int64_t bad : {int64_t{0}, int64_t{15000}, int64_t{29999}, int64_t{-1}}) {
    std::vector<float> rows(static_cast<size_t>(12 * spectrogram.num_frames(30000)));
    stream.start(rows.data(), spectrogram.num_frames(30000));
    for (int64_t position = 0; position < 30000; position += 1000) {
      float* room = stream.room(1000);
      std::fill_n(room, 1000, 0.5F);
      if (bad >= position && bad < position + 1000) room[bad - position] = std::numeric_limits<float>::infinity();
      stream.push(1000);
    }
    EXPECT_EQ(stream.finish().is_finite, bad < 0) << bad;
  }
}

}  // namespace
}  // namespace siamaudio

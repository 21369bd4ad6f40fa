#include "audio/framing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "expect.h"

namespace siamaudio {
namespace {

/// The clip with `reach` samples on both sides, each side grown one sample at a time from its mirror, neighbour or
/// opposite end.
std::vector<float> padded_clip(const std::vector<float>& clip, PadMode mode, int64_t reach) {
  std::vector<float> padded = clip;
  const auto size = static_cast<int64_t>(clip.size());
  for (int64_t i = 0; i < reach; ++i) {
    // On the left padded[0] is sample -i, on the right its last is sample size - 1 + i.
    const auto at = [&](int64_t sample) { return padded[static_cast<size_t>(sample + i)]; };
    float left = 0;
    float right = 0;
    const int64_t l = -i - 1;
    const int64_t r = size + i;
    switch (mode) {
      case PadMode::kConstant:
        break;
      case PadMode::kEdge:
        left = clip.front();
        right = clip.back();
        break;
      case PadMode::kSymmetric:  // sample -1 is sample 0
        left = at(-1 - l);
        right = at(2 * size - 1 - r);
        break;
      case PadMode::kReflect:  // sample -1 is sample 1
        left = size == 1 ? clip[0] : at(-l);
        right = size == 1 ? clip[0] : at(2 * (size - 1) - r);
        break;
      case PadMode::kWrap:
        left = at(l + size);
        right = at(r - size);
        break;
    }
    padded.insert(padded.begin(), left);
    padded.push_back(right);
  }
  return padded;
}

constexpr PadMode kModes[] = {PadMode::kConstant, PadMode::kReflect, PadMode::kSymmetric, PadMode::kEdge,
                              PadMode::kWrap};

TEST(ReadPadded, GoesOnBeyondBothEnds) {
  constexpr int64_t kReach = 23;  // several times the length of the shorter clips
  for (const PadMode mode : kModes) {
    for (const int64_t size : {1, 2, 3, 7, 40}) {
      const auto clip = noise(size, 3);
      const auto padded = padded_clip(clip, mode, kReach);
      for (int64_t start = -kReach; start < size + kReach; ++start) {
        for (const int64_t length : {int64_t{0}, int64_t{1}, int64_t{5}, size + kReach - start}) {
          if (start + length > size + kReach) continue;
          std::vector<float> actual(static_cast<size_t>(length), 9);
          read_padded(clip, mode, start, length, actual.data());
          const auto first = padded.begin() + start + kReach;
          ASSERT_TRUE(std::equal(actual.begin(), actual.end(), first))
              << "mode " << static_cast<int>(mode) << ", size " << size << ", from " << start << ", " << length;
        }
      }
    }
  }
}

TEST(ReadPadded, AnEmptyClipIsSilence) {
  for (const PadMode mode : kModes) {
    std::vector<float> samples(5, 9);
    read_padded({}, mode, -2, 5, samples.data());
    EXPECT_EQ(samples, std::vector<float>(5));
  }
}

TEST(Framing, CountsTheFramesThatFit) {
  for (const int64_t hop : {1, 3, 16, 100}) {
    for (int64_t size = 0; size < 300; ++size) {
      const Framing centred{.frame_length = 64, .hop_length = hop};
      // A frame's centre lies within the clip, or right behind it.
      int64_t count = 0;
      while (centred.start(count) + 32 <= size) ++count;
      EXPECT_EQ(centred.num_frames(size), count);

      const Framing inside{.frame_length = 64, .hop_length = hop, .placement = Placement::kInside};
      count = 0;
      while (inside.start(count) + 64 <= size) ++count;
      EXPECT_EQ(inside.num_frames(size), count);

      // Kaldi: as many frames as hops, rounded.
      const Framing midpoint{.frame_length = 64, .hop_length = hop, .placement = Placement::kMidpoint};
      EXPECT_EQ(midpoint.num_frames(size), (size + hop / 2) / hop);
      EXPECT_EQ(midpoint.start(2), 2 * hop + hop / 2 - 32);
    }
  }
}

}  // namespace
}  // namespace siamaudio

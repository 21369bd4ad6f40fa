#include "model/shifts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "expect.h"
#include "tensors.h"

namespace siamaudio {
namespace {

TEST(Shifts, MoveUpWithTheEdgeAndAroundInTime) {
  constexpr int64_t kHeight = 4;
  constexpr int64_t kWidth = 5;
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{3, kHeight, kWidth}, {3, 2, kHeight, kWidth}}) {
    const at::Tensor x = noise_tensor(shape, 1);
    const std::vector<double> data = values(x);
    for (const int64_t bands : {0, 1, -1, 3, -9})
      for (const int64_t frames : {0, 1, -2, 7, -15}) {
        const at::Tensor moved = shifted(x, {.bands = bands, .frames = frames});
        ASSERT_EQ(moved.sizes(), x.sizes());
        std::vector<double> expected;
        for (size_t picture = 0; picture < data.size() / (kHeight * kWidth); ++picture)
          for (int64_t band = 0; band < kHeight; ++band)
            for (int64_t frame = 0; frame < kWidth; ++frame) {
              const int64_t from = std::clamp<int64_t>(band - bands, 0, kHeight - 1);
              const int64_t when = (((frame - frames) % kWidth) + kWidth) % kWidth;
              expected.push_back(data[picture * kHeight * kWidth + static_cast<size_t>(from * kWidth + when)]);
            }
        EXPECT_EQ(values(moved), expected) << bands << ' ' << frames;
      }
  }
}

}  // namespace
}  // namespace siamaudio

#include "train/batch_feed.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tensors.h"

namespace siamaudio {
namespace {

const std::vector<int64_t> kClips{3, 0, 3, 1};
const std::vector<int64_t> kOthers{2, 2};

TEST(BatchFeed, GivesTheClipsAsked) {
  const at::Tensor spectrograms = noise_tensor({5, 2, 3, 4}, 1);
  for (const FeatureMemory memory : {FeatureMemory::kAuto, FeatureMemory::kResident, FeatureMemory::kFetched}) {
    BatchFeed feed(spectrograms, at::kCPU, memory);
    EXPECT_EQ(feed.is_resident(), memory != FeatureMemory::kFetched);
    const auto expect_given = [&](const std::vector<int64_t>& clips) {
      const at::Tensor batch = feed.take(clips);
      ASSERT_EQ(batch.sizes(), at::IntArrayRef({static_cast<int64_t>(clips.size()), 2, 3, 4}));
      for (size_t i = 0; i < clips.size(); ++i)
        EXPECT_TRUE(at::equal(batch[static_cast<int64_t>(i)], spectrograms[clips[i]])) << i;
    };
    expect_given(kClips);
    feed.fetch_ahead(kOthers);
    expect_given(kClips);  // others than those announced, which are still to come
    expect_given(kOthers);
    expect_given(kOthers);
    feed.fetch_ahead(kClips);
    feed.fetch_ahead(kOthers);
    expect_given(kClips);
    expect_given(kOthers);
  }
}

/// What a step does to its batch must not be in the next one.
TEST(BatchFeed, GivesEachBatchMemoryOfItsOwn) {
  const at::Tensor spectrograms = noise_tensor({5, 2, 3, 4}, 1);
  const at::Tensor before = spectrograms.clone();
  for (const FeatureMemory memory : {FeatureMemory::kResident, FeatureMemory::kFetched}) {
    BatchFeed feed(spectrograms, at::kCPU, memory);
    feed.fetch_ahead(kClips);
    feed.take(kClips).zero_();
    EXPECT_TRUE(at::equal(feed.take(kClips)[0], before[3]));
    EXPECT_TRUE(at::equal(spectrograms, before));
  }
}

}  // namespace
}  // namespace siamaudio

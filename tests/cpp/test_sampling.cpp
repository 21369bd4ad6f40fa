#include "train/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace siamaudio {
namespace {

/// Labels of classes of these sizes, one clip of each class after another, so that classes do not stand together.
std::vector<int64_t> labels_of(std::vector<int64_t> sizes) {
  std::vector<int64_t> labels;
  const auto num_clips = static_cast<size_t>(std::accumulate(sizes.begin(), sizes.end(), int64_t{0}));
  while (labels.size() < num_clips)
    for (size_t c = 0; c < sizes.size(); ++c)
      if (sizes[c]-- > 0) labels.push_back(static_cast<int64_t>(c));
  return labels;
}

std::vector<int64_t> equal_sizes(int64_t num_classes, int64_t size) {
  return std::vector<int64_t>(static_cast<size_t>(num_classes), size);
}

struct Counts {
  int64_t positives = 0;
  int64_t negatives = 0;
};

/// Counts the pairs and checks what holds of all: two clips, not met before, called what they are.
Counts check_pairs(const std::vector<Pair>& pairs, const std::vector<int64_t>& labels) {
  Counts counts;
  std::set<std::pair<int64_t, int64_t>> met;
  const auto num_clips = static_cast<int64_t>(labels.size());
  for (const auto& [left, right, is_same] : pairs) {
    EXPECT_TRUE(left >= 0 && left < num_clips && right >= 0 && right < num_clips);
    EXPECT_NE(left, right);
    EXPECT_EQ(is_same, labels[static_cast<size_t>(left)] == labels[static_cast<size_t>(right)]);
    EXPECT_TRUE(met.emplace(std::min(left, right), std::max(left, right)).second)
        << left << " and " << right << " met twice";
    ++(is_same ? counts.positives : counts.negatives);
  }
  return counts;
}

bool same_pairs(const std::vector<Pair>& a, const std::vector<Pair>& b) {
  return std::ranges::equal(a, b, [](const Pair& x, const Pair& y) {
    return x.left == y.left && x.right == y.right && x.is_same == y.is_same;
  });
}

TEST(HonkaPairs, AreAsManyAsInThePaper) {
  Random random(1);
  const auto labels = labels_of(equal_sizes(40, 40));
  const Counts counts = check_pairs(honka_pairs(labels, 40, 1, random), labels);
  EXPECT_EQ(counts.positives, 16000);
  EXPECT_EQ(counts.negatives, 16000);
}

TEST(HonkaPairs, FollowTheRatio) {
  for (const auto& [ratio, num_negatives] : std::map<double, int64_t>{{0.5, 320}, {1, 640}, {2, 1280}, {3.25, 2080}}) {
    Random random(2);
    const auto labels = labels_of(equal_sizes(40, 8));
    const Counts counts = check_pairs(honka_pairs(labels, 40, ratio, random), labels);
    EXPECT_EQ(counts.positives, 640);
    EXPECT_EQ(counts.negatives, num_negatives) << ratio;
  }
}

TEST(HonkaPairs, FollowTheSizesOfTheClasses) {
  for (const auto& sizes :
       {std::vector<int64_t>{2, 3, 5, 8, 13, 1}, std::vector<int64_t>{2, 2}, std::vector<int64_t>{3, 3, 3}}) {
    const auto labels = labels_of(sizes);
    int64_t expected = 0;
    for (const int64_t size : sizes) expected += (size - size / 2) * (size / 2);
    for (uint64_t seed = 0; seed < 20; ++seed) {
      Random random(seed);
      const Counts counts = check_pairs(honka_pairs(labels, static_cast<int64_t>(sizes.size()), 1, random), labels);
      EXPECT_EQ(counts.positives, expected);
      EXPECT_LE(counts.negatives, expected);  // fewer where the pool runs out
      EXPECT_GT(counts.negatives, 0);
    }
  }
}

TEST(HonkaPairs, DrawEveryClipAndEveryOtherClass) {
  Random random(3);
  const auto labels = labels_of(equal_sizes(5, 10));
  const auto pairs = honka_pairs(labels, 5, 1, random);
  std::set<int64_t> clips;
  std::set<std::pair<int64_t, int64_t>> classes;
  for (const auto& [left, right, is_same] : pairs) {
    clips.insert({left, right});
    if (!is_same) classes.emplace(labels[static_cast<size_t>(left)], labels[static_cast<size_t>(right)]);
  }
  EXPECT_EQ(clips.size(), 50U);    // 25 pairs of clips a class out of 45: none is left out but by a rare chance
  EXPECT_EQ(classes.size(), 20U);  // ordered pairs of 5 classes
}

TEST(HonkaPairs, ComeShuffledFromTheirSeed) {
  const auto labels = labels_of(equal_sizes(10, 10));
  const auto draw = [&](uint64_t seed) {
    Random random(seed);
    return honka_pairs(labels, 10, 1, random);
  };
  const auto pairs = draw(1);
  EXPECT_TRUE(same_pairs(pairs, draw(1)));
  EXPECT_FALSE(same_pairs(pairs, draw(2)));
  int64_t num_changes = 0;
  for (size_t i = 1; i < pairs.size(); ++i) num_changes += pairs[i].is_same != pairs[i - 1].is_same ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(num_changes), 250,
              60);  // 500 pairs, half of them of either kind; standard deviation 11
}

using Batches = std::vector<std::vector<int64_t>>;

Batches draw_batches(const std::vector<int64_t>& labels, int64_t num_classes, int64_t batch_size,
                     int64_t clips_per_class, uint64_t seed) {
  Random random(seed);
  return balanced_batches(labels, num_classes, batch_size, clips_per_class, random);
}

/// Clips of each class in a batch.
std::map<int64_t, int64_t> count_classes(const std::vector<int64_t>& batch, const std::vector<int64_t>& labels) {
  std::map<int64_t, int64_t> counts;
  for (const int64_t clip : batch) ++counts[labels[static_cast<size_t>(clip)]];
  return counts;
}

struct Epoch {
  const char* name;
  std::vector<int64_t> sizes;
  int64_t batch_size;
  int64_t clips_per_class;
  int64_t num_batches;
};

const Epoch kEpochs[] = {
    {"ESC-50", equal_sizes(40, 40), 40, 4, 40},         {"few clips", equal_sizes(40, 8), 40, 4, 8},
    {"few classes", equal_sizes(3, 100), 40, 4, 8},     {"two classes", equal_sizes(2, 50), 10, 4, 10},
    {"one batch", equal_sizes(5, 4), 20, 4, 1},         {"less than a batch", equal_sizes(5, 4), 100, 4, 1},
    {"odd groups", equal_sizes(20, 9), 30, 4, 6},       {"unequal", {2, 3, 50, 7, 5, 30, 21, 12}, 16, 4, 8},
    {"a clip too many", {5, 5, 5, 5, 9, 13}, 12, 4, 4}, {"pairs", equal_sizes(10, 2), 4, 2, 5},
};

TEST(BalancedBatches, HoldEveryClipOnce) {
  for (const auto& [name, sizes, batch_size, clips_per_class, num_batches] : kEpochs) {
    const auto labels = labels_of(sizes);
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const auto batches = draw_batches(labels, static_cast<int64_t>(sizes.size()), batch_size, clips_per_class, seed);
      std::vector<int> counts(labels.size());
      for (const auto& batch : batches)
        for (const int64_t clip : batch) ++counts.at(static_cast<size_t>(clip));
      EXPECT_EQ(counts, std::vector<int>(labels.size(), 1)) << name;
    }
  }
}

TEST(BalancedBatches, HaveAboutTheSizeThatIsAskedFor) {
  for (const auto& [name, sizes, batch_size, clips_per_class, num_batches] : kEpochs) {
    const auto labels = labels_of(sizes);
    const auto num_classes = static_cast<int64_t>(sizes.size());
    const double mean = static_cast<double>(labels.size()) / static_cast<double>(num_batches);
    const auto group = static_cast<double>(std::max(clips_per_class, (batch_size + num_classes - 1) / num_classes) + 1);
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const auto batches = draw_batches(labels, num_classes, batch_size, clips_per_class, seed);
      EXPECT_EQ(static_cast<int64_t>(batches.size()), num_batches) << name;
      for (const auto& batch : batches) {
        EXPECT_LE(static_cast<double>(batch.size()), mean + group) << name;
        EXPECT_GE(static_cast<double>(batch.size()), mean - group) << name;
      }
    }
  }
}

TEST(BalancedBatches, GiveEveryClipAPartner) {
  for (const auto& [name, sizes, batch_size, clips_per_class, num_batches] : kEpochs) {
    const auto labels = labels_of(sizes);
    for (uint64_t seed = 0; seed < 20; ++seed)
      for (const auto& batch :
           draw_batches(labels, static_cast<int64_t>(sizes.size()), batch_size, clips_per_class, seed))
        for (const auto& [c, count] : count_classes(batch, labels))
          EXPECT_GE(count, 2) << name << ", class " << c << ", seed " << seed;
  }
}

TEST(BalancedBatches, GiveEveryClipAStranger) {
  for (const auto& [name, sizes, batch_size, clips_per_class, num_batches] : kEpochs) {
    if (std::ranges::min(sizes) != std::ranges::max(sizes)) continue;  // a large class may have to fill a batch alone
    const auto labels = labels_of(sizes);
    for (uint64_t seed = 0; seed < 20; ++seed)
      for (const auto& batch :
           draw_batches(labels, static_cast<int64_t>(sizes.size()), batch_size, clips_per_class, seed))
        EXPECT_GE(count_classes(batch, labels).size(), 2U) << name << ", seed " << seed;
  }
}

TEST(BalancedBatches, HoldGroupsOfTheSizeThatIsAskedFor) {
  const auto labels = labels_of(equal_sizes(40, 40));
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (const auto& batch : draw_batches(labels, 40, 40, 4, seed))
      for (const auto& [c, count] : count_classes(batch, labels))
        EXPECT_EQ(count, 4) << "class " << c << ", seed " << seed;
}

TEST(BalancedBatches, KeepALoneClip) {
  const auto labels = labels_of({1, 4, 4});
  std::set<int64_t> clips;
  for (const auto& batch : draw_batches(labels, 3, 4, 2, 1)) clips.insert(batch.begin(), batch.end());
  EXPECT_EQ(clips.size(), 9U);
}

TEST(BalancedBatches, DependOnTheSeed) {
  const auto labels = labels_of(equal_sizes(10, 12));
  EXPECT_EQ(draw_batches(labels, 10, 20, 4, 1), draw_batches(labels, 10, 20, 4, 1));
  EXPECT_NE(draw_batches(labels, 10, 20, 4, 1), draw_batches(labels, 10, 20, 4, 2));
}

}  // namespace
}  // namespace siamaudio

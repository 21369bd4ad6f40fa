#include "train/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "expect.h"

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

std::vector<Batch> draw(const SamplerOptions& sampler, const std::vector<int64_t>& labels, uint64_t seed) {
  Random random(seed);
  return plan_epoch(sampler, labels, std::ranges::max(labels) + 1, random);
}

/// A pair by clips, not by their places in a batch.
struct ClipPair {
  int64_t left;
  int64_t right;
  bool is_same;

  bool operator==(const ClipPair&) const = default;
};

/// The pairs of two-sided batches, left clips from the first run and right ones from the second.
std::vector<ClipPair> clip_pairs(const std::vector<Batch>& batches) {
  std::vector<ClipPair> pairs;
  for (const Batch& batch : batches) {
    const auto half = static_cast<int64_t>(batch.pairs.size());
    EXPECT_EQ(batch.num_sides, 2);
    EXPECT_EQ(static_cast<int64_t>(batch.clips.size()), 2 * half);
    EXPECT_TRUE(batch.triplets.empty());
    EXPECT_EQ(batch.num_support, 0);
    for (int64_t i = 0; i < half; ++i) {
      const Pair& pair = batch.pairs[static_cast<size_t>(i)];
      EXPECT_EQ(pair.left, i);
      EXPECT_EQ(pair.right, half + i);
      pairs.push_back({batch.clips.at(static_cast<size_t>(pair.left)), batch.clips.at(static_cast<size_t>(pair.right)),
                       pair.is_same});
    }
  }
  return pairs;
}

std::vector<ClipPair> honka_pairs(const std::vector<int64_t>& labels, double negative_ratio, uint64_t seed) {
  return clip_pairs(draw(HonkaPairsOptions{.negative_ratio = negative_ratio}, labels, seed));
}

struct Counts {
  int64_t positives = 0;
  int64_t negatives = 0;
};

/// Counts the pairs and checks what holds of all: two clips, not met before, called what they are.
Counts check_pairs(const std::vector<ClipPair>& pairs, const std::vector<int64_t>& labels) {
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

TEST(HonkaPairs, AreAsManyAsInThePaper) {
  const auto labels = labels_of(equal_sizes(40, 40));
  const Counts counts = check_pairs(honka_pairs(labels, 1, 1), labels);
  EXPECT_EQ(counts.positives, 16000);
  EXPECT_EQ(counts.negatives, 16000);
}

TEST(HonkaPairs, FollowTheRatio) {
  for (const auto& [ratio, num_negatives] : std::map<double, int64_t>{{0.5, 320}, {1, 640}, {2, 1280}, {3.25, 2080}}) {
    const auto labels = labels_of(equal_sizes(40, 8));
    const Counts counts = check_pairs(honka_pairs(labels, ratio, 2), labels);
    EXPECT_EQ(counts.positives, 640);
    EXPECT_EQ(counts.negatives, num_negatives) << ratio;
  }
}

TEST(HonkaPairs, FollowTheSizesOfTheClasses) {
  for (const auto& sizes :
       {std::vector<int64_t>{2, 3, 5, 8, 13}, std::vector<int64_t>{2, 2}, std::vector<int64_t>{3, 3, 3}}) {
    const auto labels = labels_of(sizes);
    int64_t expected = 0;
    for (const int64_t size : sizes) expected += (size - size / 2) * (size / 2);
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const Counts counts = check_pairs(honka_pairs(labels, 1, seed), labels);
      EXPECT_EQ(counts.positives, expected);
      EXPECT_LE(counts.negatives, expected);  // fewer where the pool runs out
      EXPECT_GT(counts.negatives, 0);
    }
  }
}

TEST(HonkaPairs, DrawEveryClipAndEveryOtherClass) {
  const auto labels = labels_of(equal_sizes(5, 10));
  const auto pairs = honka_pairs(labels, 1, 3);
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
  const auto pairs = honka_pairs(labels, 1, 1);
  EXPECT_EQ(pairs, honka_pairs(labels, 1, 1));
  EXPECT_NE(pairs, honka_pairs(labels, 1, 2));
  int64_t num_changes = 0;
  for (size_t i = 1; i < pairs.size(); ++i) num_changes += pairs[i].is_same != pairs[i - 1].is_same ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(num_changes), 250,
              60);  // 500 pairs, half of them of either kind; standard deviation 11
}

TEST(HonkaPairs, AreCutIntoBatches) {
  const auto labels = labels_of(equal_sizes(4, 6));  // 4 x 3 x 3 positive pairs and as many negative ones
  const auto batches = draw(HonkaPairsOptions{.batch_size = 20}, labels, 1);
  std::vector<size_t> sizes;
  for (const Batch& batch : batches) sizes.push_back(batch.pairs.size());
  EXPECT_EQ(sizes, (std::vector<size_t>{20, 20, 20, 12}));
}

using Batches = std::vector<std::vector<int64_t>>;

Batches draw_batches(const std::vector<int64_t>& labels, int64_t batch_size, int64_t clips_per_class, uint64_t seed) {
  Batches batches;
  for (const Batch& batch :
       draw(BalancedOptions{.batch_size = batch_size, .clips_per_class = clips_per_class}, labels, seed)) {
    EXPECT_EQ(batch.num_sides, 1);
    EXPECT_TRUE(batch.pairs.empty() && batch.triplets.empty());
    batches.push_back(batch.clips);
  }
  return batches;
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
      const auto batches = draw_batches(labels, batch_size, clips_per_class, seed);
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
      const auto batches = draw_batches(labels, batch_size, clips_per_class, seed);
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
      for (const auto& batch : draw_batches(labels, batch_size, clips_per_class, seed))
        for (const auto& [c, count] : count_classes(batch, labels))
          EXPECT_GE(count, 2) << name << ", class " << c << ", seed " << seed;
  }
}

TEST(BalancedBatches, GiveEveryClipAStranger) {
  for (const auto& [name, sizes, batch_size, clips_per_class, num_batches] : kEpochs) {
    if (std::ranges::min(sizes) != std::ranges::max(sizes)) continue;  // a large class may have to fill a batch alone
    const auto labels = labels_of(sizes);
    for (uint64_t seed = 0; seed < 20; ++seed)
      for (const auto& batch : draw_batches(labels, batch_size, clips_per_class, seed))
        EXPECT_GE(count_classes(batch, labels).size(), 2U) << name << ", seed " << seed;
  }
}

TEST(BalancedBatches, HoldGroupsOfTheSizeThatIsAskedFor) {
  const auto labels = labels_of(equal_sizes(40, 40));
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (const auto& batch : draw_batches(labels, 40, 4, seed))
      for (const auto& [c, count] : count_classes(batch, labels))
        EXPECT_EQ(count, 4) << "class " << c << ", seed " << seed;
}

TEST(BalancedBatches, DependOnTheSeed) {
  const auto labels = labels_of(equal_sizes(10, 12));
  EXPECT_EQ(draw_batches(labels, 20, 4, 1), draw_batches(labels, 20, 4, 1));
  EXPECT_NE(draw_batches(labels, 20, 4, 1), draw_batches(labels, 20, 4, 2));
}

// ---- Anchors with their pairs (Fedele), and pairs of every clip (Lloret)

/// Pairs by their left clip.
std::map<int64_t, std::vector<ClipPair>> by_anchor(const std::vector<ClipPair>& pairs) {
  std::map<int64_t, std::vector<ClipPair>> anchors;
  for (const ClipPair& pair : pairs) anchors[pair.left].push_back(pair);
  return anchors;
}

/// What holds of an anchor's pairs: the numbers, no clip twice, negatives of different classes.
void check_anchor(const std::vector<ClipPair>& pairs, const std::vector<int64_t>& labels, size_t num_positive,
                  size_t num_negative) {
  std::set<int64_t> positives;
  std::set<int64_t> negative_classes;
  for (const auto& [anchor, clip, is_same] : pairs) {
    const int64_t label = labels.at(static_cast<size_t>(clip));
    EXPECT_NE(anchor, clip);
    EXPECT_EQ(is_same, label == labels.at(static_cast<size_t>(anchor)));
    if (is_same)
      positives.insert(clip);
    else
      negative_classes.insert(label);
  }
  EXPECT_EQ(pairs.size(), num_positive + num_negative);
  EXPECT_EQ(positives.size(), num_positive);
  EXPECT_EQ(negative_classes.size(), num_negative);
}

TEST(AnchorPairs, GiveEveryClassOneAnchorAStep) {
  for (const auto& sizes : {equal_sizes(8, 12), std::vector<int64_t>{5, 9, 6, 30, 5}}) {
    const auto labels = labels_of(sizes);
    const auto batches = draw(AnchorPairsOptions{.steps_per_epoch = 30}, labels, 1);
    EXPECT_EQ(batches.size(), 30U);
    for (const Batch& batch : batches) {
      std::set<int64_t> classes;
      for (const auto& [anchor, pairs] : by_anchor(clip_pairs({batch}))) {
        check_anchor(pairs, labels, 4, 4);
        EXPECT_TRUE(classes.insert(labels[static_cast<size_t>(anchor)]).second);
      }
      EXPECT_EQ(classes.size(), sizes.size());
    }
  }
}

TEST(AnchorPairs, DrawEveryClipEvenly) {
  const auto labels = labels_of(equal_sizes(4, 5));
  std::map<int64_t, int64_t> anchors;
  std::map<int64_t, int64_t> positives;
  std::map<int64_t, int64_t> negatives;
  const AnchorPairsOptions options{.num_positive = 2, .num_negative = 2, .steps_per_epoch = 2000};
  for (const auto& [left, right, is_same] : clip_pairs(draw(options, labels, 1))) {
    ++anchors[left];
    ++(is_same ? positives : negatives)[right];
  }
  for (int64_t clip = 0; clip < 20; ++clip) {
    EXPECT_NEAR(static_cast<double>(anchors[clip]) / 4, 400, 90);  // standard deviation 18
    EXPECT_NEAR(static_cast<double>(positives[clip]), 800, 110);   // 22
    EXPECT_NEAR(static_cast<double>(negatives[clip]), 800, 125);   // 25
  }
}

TEST(AnchorPairs, WorkOnTheSmallestData) {
  const auto labels = labels_of({2, 2});
  for (const Batch& batch : draw(AnchorPairsOptions{.num_positive = 1, .num_negative = 1}, labels, 1))
    for (const auto& [anchor, pairs] : by_anchor(clip_pairs({batch}))) check_anchor(pairs, labels, 1, 1);
}

TEST(RandomPairs, MakeEveryClipAnAnchorInExactProportion) {
  for (const auto& [num_positive, num_negative] : std::map<int64_t, int64_t>{{1, 4}, {2, 3}, {4, 1}, {3, 3}}) {
    for (const auto& sizes : {equal_sizes(6, 10), std::vector<int64_t>{9, 20, 11, 14, 10}}) {
      const auto labels = labels_of(sizes);
      const auto batches =
          draw(RandomPairsOptions{.num_positive = num_positive, .num_negative = num_negative}, labels, 1);
      const auto pairs = clip_pairs(batches);
      const auto anchors = by_anchor(pairs);
      EXPECT_EQ(anchors.size(), labels.size());
      for (const auto& [anchor, own] : anchors)
        check_anchor(own, labels, static_cast<size_t>(num_positive), static_cast<size_t>(num_negative));

      std::set<std::pair<int64_t, int64_t>> met;
      std::map<int64_t, int64_t> times_partner;
      for (const auto& [left, right, is_same] : pairs) {
        if (!is_same) continue;
        EXPECT_TRUE(met.emplace(std::min(left, right), std::max(left, right)).second) << left << ", " << right;
        ++times_partner[right];
      }
      for (const auto& [clip, count] : times_partner) EXPECT_EQ(count, num_positive);
      for (const Batch& batch : batches) {
        const auto positives = std::ranges::count_if(batch.pairs, &Pair::is_same);
        EXPECT_EQ(positives * num_negative, (std::ssize(batch.pairs) - positives) * num_positive);
        EXPECT_LE(batch.pairs.size(), 100U);
      }
    }
  }
}

TEST(RandomPairs, NeverRepeatACoupleInSmallClasses) {
  // Couples of a class of n are n (n - 1) / 2; an anchor takes num_positive of them or none.
  for (const int64_t size : {2, 3, 4, 5, 6, 7}) {
    for (int64_t num_positive = 1; num_positive < size; ++num_positive) {
      const auto labels = labels_of(equal_sizes(3, size));
      const auto pairs =
          clip_pairs(draw(RandomPairsOptions{.num_positive = num_positive, .num_negative = 2}, labels, 1));
      std::set<std::pair<int64_t, int64_t>> met;
      std::set<int64_t> anchors_of_classes;
      for (const auto& [left, right, is_same] : pairs) {
        EXPECT_TRUE(!is_same || met.emplace(std::min(left, right), std::max(left, right)).second);
        anchors_of_classes.insert(labels[static_cast<size_t>(left)]);
      }
      EXPECT_EQ(anchors_of_classes.size(), 3U);
      const auto anchors = by_anchor(pairs);
      for (const auto& [anchor, own] : anchors) check_anchor(own, labels, static_cast<size_t>(num_positive), 2);
      EXPECT_TRUE(anchors.size() == labels.size() || size < 2 * num_positive + 1);
    }
  }
}

TEST(RandomPairs, DrawEveryCouple) {
  const auto labels = labels_of(equal_sizes(2, 6));
  std::set<std::pair<int64_t, int64_t>> met;
  for (uint64_t seed = 0; seed < 40; ++seed)
    for (const auto& [left, right, is_same] : clip_pairs(draw(RandomPairsOptions{.num_negative = 1}, labels, seed)))
      met.emplace(left, right);
  EXPECT_EQ(met.size(), 12U * 11U);
}

// ---- Triplets

/// The triplets of three-sided batches, by clips.
std::vector<std::array<int64_t, 3>> clip_triplets(const std::vector<Batch>& batches) {
  std::vector<std::array<int64_t, 3>> triplets;
  for (const Batch& batch : batches) {
    const auto third = static_cast<int64_t>(batch.triplets.size());
    EXPECT_EQ(batch.num_sides, 3);
    EXPECT_EQ(static_cast<int64_t>(batch.clips.size()), 3 * third);
    EXPECT_TRUE(batch.pairs.empty());
    for (int64_t i = 0; i < third; ++i) {
      const auto& [anchor, positive, negative] = batch.triplets[static_cast<size_t>(i)];
      EXPECT_EQ(anchor, i);
      EXPECT_EQ(positive, third + i);
      EXPECT_EQ(negative, 2 * third + i);
      triplets.push_back({batch.clips[static_cast<size_t>(anchor)], batch.clips[static_cast<size_t>(positive)],
                          batch.clips[static_cast<size_t>(negative)]});
    }
  }
  return triplets;
}

TEST(RandomTriplets, AreDifferentAndOfTheRightClasses) {
  for (const auto& sizes : {equal_sizes(5, 8), std::vector<int64_t>{2, 9, 3}, std::vector<int64_t>{3, 3}}) {
    const auto labels = labels_of(sizes);
    for (uint64_t seed = 0; seed < 10; ++seed) {
      const auto batches = draw(RandomTripletsOptions{.batch_size = 7}, labels, seed);
      const auto triplets = clip_triplets(batches);
      std::map<int64_t, int64_t> times_anchor;
      for (const auto& [anchor, positive, negative] : triplets) {
        EXPECT_NE(anchor, positive);
        EXPECT_EQ(labels[static_cast<size_t>(anchor)], labels[static_cast<size_t>(positive)]);
        EXPECT_NE(labels[static_cast<size_t>(anchor)], labels[static_cast<size_t>(negative)]);
        ++times_anchor[anchor];
      }
      EXPECT_EQ(std::set(triplets.begin(), triplets.end()).size(), triplets.size());
      EXPECT_EQ(times_anchor.size(), labels.size());
      for (const auto& [anchor, count] : times_anchor) EXPECT_EQ(count, 4);
      EXPECT_EQ(batches.size(), (4 * labels.size() + 6) / 7);
    }
  }
}

TEST(RandomTriplets, CanBeAllThereAre) {
  const auto labels = labels_of({2, 2});  // each anchor has one positive and two negatives
  const auto triplets = clip_triplets(draw(RandomTripletsOptions{.triplets_per_anchor = 2}, labels, 1));
  EXPECT_EQ(std::set(triplets.begin(), triplets.end()).size(), 8U);
}

TEST(RandomTriplets, DrawEveryPartnerEvenly) {
  const auto labels = labels_of(equal_sizes(2, 3));
  std::map<std::array<int64_t, 3>, int64_t> counts;
  for (uint64_t seed = 0; seed < 1200; ++seed)
    for (const auto& triplet : clip_triplets(draw(RandomTripletsOptions{.triplets_per_anchor = 2}, labels, seed)))
      ++counts[triplet];
  EXPECT_EQ(counts.size(), 36U);  // 6 anchors, 2 positives, 3 negatives
  for (const auto& [triplet, count] : counts) EXPECT_NEAR(static_cast<double>(count), 400, 82);  // deviation 16.3
}

// ---- Every clip once

TEST(Shuffled, HoldsEveryClipOnceAndNeverOneAlone) {
  for (const int64_t num_clips : {2, 3, 4, 5, 8, 9, 10, 33, 64}) {
    const auto labels = labels_of({num_clips - 1, 1});  // classes do not matter
    for (const int64_t batch_size : {2, 4, 32, 1000}) {
      const auto batches = draw(ShuffledOptions{.batch_size = batch_size}, labels, 1);
      std::vector<int> counts(labels.size());
      for (size_t i = 0; i < batches.size(); ++i) {
        const auto size = static_cast<int64_t>(batches[i].clips.size());
        EXPECT_EQ(batches[i].num_sides, 1);
        EXPECT_TRUE(batches[i].pairs.empty() && batches[i].triplets.empty());
        EXPECT_GE(size, 2);
        EXPECT_LE(size, batch_size + 1);
        EXPECT_TRUE(size == batch_size || i + 1 == batches.size());
        for (const int64_t clip : batches[i].clips) ++counts.at(static_cast<size_t>(clip));
      }
      EXPECT_EQ(counts, std::vector<int>(labels.size(), 1));
    }
  }
}

// ---- Episodes

TEST(Episodes, AreTasksOfSupportsAndThenQueries) {
  const auto labels = labels_of({9, 7, 5, 12, 6, 8});
  const EpisodesOptions options{.ways = 4, .shots = 2, .queries = 3, .episodes_per_epoch = 50};
  const auto batches = draw(options, labels, 1);
  EXPECT_EQ(batches.size(), 50U);
  std::set<int64_t> all_clips;
  for (const Batch& batch : batches) {
    EXPECT_EQ(batch.num_sides, 1);
    EXPECT_EQ(batch.num_support, 8);
    ASSERT_EQ(batch.clips.size(), 20U);
    EXPECT_EQ(std::set(batch.clips.begin(), batch.clips.end()).size(), 20U);
    all_clips.insert(batch.clips.begin(), batch.clips.end());
    std::vector<int64_t> classes;
    for (size_t i = 0; i < 8; i += 2) classes.push_back(labels[static_cast<size_t>(batch.clips[i])]);
    EXPECT_EQ(std::set(classes.begin(), classes.end()).size(), 4U);
    for (size_t i = 0; i < 8; ++i) EXPECT_EQ(labels[static_cast<size_t>(batch.clips[i])], classes[i / 2]);
    for (size_t i = 0; i < 12; ++i) EXPECT_EQ(labels[static_cast<size_t>(batch.clips[8 + i])], classes[i / 3]);
  }
  EXPECT_EQ(all_clips.size(), labels.size());
}

TEST(Episodes, WorkOnTheSmallestData) {
  const auto labels = labels_of({2, 2});
  for (const Batch& batch : draw(EpisodesOptions{.ways = 2, .shots = 1, .queries = 1}, labels, 1))
    EXPECT_EQ(std::set(batch.clips.begin(), batch.clips.end()).size(), 4U);
}

// ---- All of them

const SamplerOptions kSamplers[] = {HonkaPairsOptions{},
                                    AnchorPairsOptions{.num_negative = 2},
                                    RandomPairsOptions{.num_negative = 2},
                                    RandomTripletsOptions{},
                                    BalancedOptions{.batch_size = 12},
                                    ShuffledOptions{},
                                    EpisodesOptions{.ways = 2, .queries = 3}};

bool same_batches(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::ranges::equal(a, b, [](const Batch& x, const Batch& y) {
    return x.clips == y.clips && x.num_sides == y.num_sides && x.pairs.size() == y.pairs.size() &&
           x.triplets.size() == y.triplets.size() && x.num_support == y.num_support;
  });
}

TEST(PlanEpoch, RepeatsItselfForTheSameSeedAndEpochOnly) {
  const auto labels = labels_of({8, 9, 10});
  for (const SamplerOptions& sampler : kSamplers) {
    const auto epoch = [&](uint64_t seed, uint64_t number) {
      Random random(seed, number);
      return plan_epoch(sampler, labels, 3, random);
    };
    EXPECT_TRUE(same_batches(epoch(1, 0), epoch(1, 0))) << sampler.index();
    EXPECT_FALSE(same_batches(epoch(1, 0), epoch(1, 1))) << sampler.index();
    EXPECT_FALSE(same_batches(epoch(1, 0), epoch(2, 0))) << sampler.index();
  }
}

std::string rejected(const SamplerOptions& sampler, const std::vector<int64_t>& sizes) {
  return rejected_parameter([&] { check_sampler(sampler, labels_of(sizes), std::ssize(sizes)); });
}

TEST(PlanEpoch, RejectsOptionsOutOfRange) {
  const std::vector<int64_t> sizes{8, 9, 10};
  for (const SamplerOptions& sampler : kSamplers) EXPECT_EQ(rejected(sampler, sizes), "(no error)") << sampler.index();
  EXPECT_EQ(rejected(HonkaPairsOptions{.batch_size = 0}, sizes), "batch_size");
  EXPECT_EQ(rejected(BalancedOptions{.batch_size = 1}, sizes), "batch_size");
  EXPECT_EQ(rejected(BalancedOptions{.clips_per_class = 1}, sizes), "clips_per_class");
  for (const double ratio : {0.0, -1.0, std::nan(""), static_cast<double>(INFINITY)}) {
    EXPECT_EQ(rejected(HonkaPairsOptions{.negative_ratio = ratio}, sizes), "negative_ratio");
    EXPECT_EQ(rejected(BalancedOptions{.negative_ratio = ratio}, sizes), "negative_ratio");
  }
  EXPECT_EQ(rejected(AnchorPairsOptions{.num_positive = 0, .num_negative = 2}, sizes), "num_positive");
  EXPECT_EQ(rejected(AnchorPairsOptions{.num_positive = 8, .num_negative = 2}, sizes), "num_positive");
  EXPECT_EQ(rejected(AnchorPairsOptions{.num_positive = 7, .num_negative = 2}, sizes), "(no error)");
  EXPECT_EQ(rejected(AnchorPairsOptions{.num_negative = 3}, sizes), "num_negative");
  EXPECT_EQ(rejected(AnchorPairsOptions{.num_negative = 2, .steps_per_epoch = 0}, sizes), "steps_per_epoch");
  EXPECT_EQ(rejected(RandomPairsOptions{.num_positive = 8, .num_negative = 2}, sizes), "num_positive");
  EXPECT_EQ(rejected(RandomPairsOptions{.num_negative = 3}, sizes), "num_negative");
  EXPECT_EQ(rejected(RandomPairsOptions{.batch_size = 2, .num_negative = 2}, sizes), "batch_size");
  EXPECT_EQ(rejected(RandomPairsOptions{.batch_size = 3, .num_negative = 2}, sizes), "(no error)");
  EXPECT_EQ(rejected(RandomTripletsOptions{.batch_size = 0}, sizes), "batch_size");
  EXPECT_EQ(rejected(RandomTripletsOptions{.triplets_per_anchor = 0}, sizes), "triplets_per_anchor");
  EXPECT_EQ(rejected(RandomTripletsOptions{.triplets_per_anchor = 3}, {2, 2}), "triplets_per_anchor");
  EXPECT_EQ(rejected(ShuffledOptions{.batch_size = 1}, sizes), "batch_size");
  EXPECT_EQ(rejected(EpisodesOptions{.ways = 1, .queries = 3}, sizes), "ways");
  EXPECT_EQ(rejected(EpisodesOptions{.ways = 4, .queries = 3}, sizes), "ways");
  EXPECT_EQ(rejected(EpisodesOptions{.ways = 3, .shots = 0, .queries = 3}, sizes), "shots");
  EXPECT_EQ(rejected(EpisodesOptions{.ways = 3, .shots = 8, .queries = 1}, sizes), "shots");
  EXPECT_EQ(rejected(EpisodesOptions{.ways = 3, .shots = 4, .queries = 5}, sizes), "queries");
  EXPECT_EQ(rejected(EpisodesOptions{.ways = 3, .shots = 4, .queries = 4}, sizes), "(no error)");
  EXPECT_EQ(rejected(EpisodesOptions{.ways = 3, .queries = 3, .episodes_per_epoch = 0}, sizes), "episodes_per_epoch");
}

TEST(PlanEpoch, RejectsDataThatNoOptionsCouldSample) {
  for (const SamplerOptions& sampler : kSamplers) {
    EXPECT_THROW(check_sampler(sampler, {}, 0), TrainingError) << sampler.index();
    if (std::holds_alternative<ShuffledOptions>(sampler)) {
      EXPECT_THROW(check_sampler(sampler, labels_of({1}), 1), TrainingError);
      continue;
    }
    EXPECT_THROW(check_sampler(sampler, labels_of({20}), 1), TrainingError) << sampler.index();
    EXPECT_THROW(check_sampler(sampler, labels_of({5, 1, 5}), 3), TrainingError) << sampler.index();
    EXPECT_THROW(check_sampler(sampler, labels_of({5, 5}), 3), TrainingError) << sampler.index();  // an empty class
  }
  const std::vector<int64_t> labels{0, 0, 1, 3};
  EXPECT_EQ(rejected_parameter([&] { check_sampler(ShuffledOptions{}, labels, 3); }), "labels");
}

TEST(PlanEpoch, TakesBatchesLargerThanTheData) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  const auto labels = labels_of({4, 4, 4});
  for (const SamplerOptions& sampler : {SamplerOptions(HonkaPairsOptions{.batch_size = kHuge}),
                                        SamplerOptions(RandomPairsOptions{.batch_size = kHuge, .num_negative = 2}),
                                        SamplerOptions(RandomTripletsOptions{.batch_size = kHuge}),
                                        SamplerOptions(BalancedOptions{.batch_size = kHuge, .clips_per_class = kHuge}),
                                        SamplerOptions(ShuffledOptions{.batch_size = kHuge})})
    EXPECT_EQ(draw(sampler, labels, 1).size(), 1U) << sampler.index();
}

}  // namespace
}  // namespace siamaudio

#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <vector>

namespace siamaudio {
namespace {

/// Pearson's statistic against equal shares.
double chi_square(const std::vector<int64_t>& counts) {
  const double expected = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0})) /
                          static_cast<double>(counts.size());
  double sum = 0;
  for (const int64_t count : counts)
    sum += (static_cast<double>(count) - expected) * (static_cast<double>(count) - expected) / expected;
  return sum;
}

TEST(Random, DrawsFromTheStandardsMersenneTwister) {
  // [rand.predef]: the 10,000th output of mt19937_64, whose default seed is 5489, is 9981545732273789042.
  constexpr int64_t kBound = std::numeric_limits<int64_t>::max();
  Random random(5489);
  int64_t last = 0;
  for (int i = 0; i < 10000; ++i) last = random.below(kBound);
  EXPECT_EQ(last, static_cast<int64_t>(9981545732273789042ULL % static_cast<uint64_t>(kBound)));
}

TEST(Random, StaysBelowItsBound) {
  Random random(1);
  for (const int64_t bound : {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{1000}, (int64_t{1} << 62) + 1,
                              std::numeric_limits<int64_t>::max()}) {
    for (int i = 0; i < 1000; ++i) {
      const int64_t draw = random.below(bound);
      ASSERT_GE(draw, 0);
      ASSERT_LT(draw, bound);
    }
  }
}

TEST(Random, IsUniform) {
  Random random(2);
  std::vector<int64_t> counts(10);
  for (int i = 0; i < 100000; ++i) ++counts[static_cast<size_t>(random.below(10))];
  EXPECT_LT(chi_square(counts), 27.9);  // 99.9th percentile for 9 degrees of freedom
}

TEST(Random, IsUniformWhereTheBoundIsNoPowerOfTwo) {
  // 2^64 is 8/3 of this bound: without the rejection the lower two thirds would come up 3 : 3 : 2.
  constexpr int64_t kThird = int64_t{1} << 61;
  Random random(3);
  std::vector<int64_t> counts(3);
  for (int i = 0; i < 30000; ++i) ++counts[static_cast<size_t>(random.below(3 * kThird) / kThird)];
  EXPECT_LT(chi_square(counts), 13.8);  // 99.9th percentile for 2 degrees of freedom
}

TEST(Random, RepeatsItselfFromTheSameSeedOnly) {
  Random a(7);
  Random b(7);
  Random c(8);
  int num_equal = 0;
  for (int i = 0; i < 100; ++i) {
    const int64_t draw = a.below(1 << 20);
    EXPECT_EQ(draw, b.below(1 << 20));
    num_equal += draw == c.below(1 << 20) ? 1 : 0;
  }
  EXPECT_LT(num_equal, 3);
}

TEST(Random, HasStreamsThatDiffer) {
  std::set<int64_t> first_draws;
  for (uint64_t seed = 0; seed < 30; ++seed)
    for (uint64_t stream = 0; stream < 30; ++stream) {
      Random random(seed, stream);
      Random again(seed, stream);
      const int64_t draw = random.below(int64_t{1} << 62);
      EXPECT_EQ(draw, again.below(int64_t{1} << 62));
      first_draws.insert(draw);
    }
  EXPECT_EQ(first_draws.size(), 900U);  // seed and stream do not stand for one another either
}

TEST(Random, ShufflesIntoPermutations) {
  for (const size_t size : {0U, 1U, 2U, 3U, 100U}) {
    std::vector<int> ordered(size);
    std::iota(ordered.begin(), ordered.end(), 0);
    std::vector<int> shuffled = ordered;
    Random random(size);
    random.shuffle(shuffled);
    EXPECT_TRUE(size < 100 || shuffled != ordered);
    std::ranges::sort(shuffled);
    EXPECT_EQ(shuffled, ordered);
  }
}

TEST(Random, ShufflesIntoEveryPermutationEquallyOften) {
  Random random(4);
  std::map<std::array<int, 4>, int64_t> counts;
  for (int i = 0; i < 24000; ++i) {
    std::vector<int> values{0, 1, 2, 3};
    random.shuffle(values);
    ++counts[{values[0], values[1], values[2], values[3]}];
  }
  ASSERT_EQ(counts.size(), 24U);
  std::vector<int64_t> all;
  for (const auto& [permutation, count] : counts) all.push_back(count);
  EXPECT_LT(chi_square(all), 49.7);  // 99.9th percentile for 23 degrees of freedom
}

}  // namespace
}  // namespace siamaudio

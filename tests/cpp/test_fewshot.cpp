#include "score/fewshot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <span>
#include <vector>

#include "expect.h"

namespace siamaudio {
namespace {

// 4 classes of 6 clips, two clips a source.
std::vector<int64_t> sixes() {
  std::vector<int64_t> labels;
  for (int64_t clip = 0; clip < 24; ++clip) labels.push_back(clip / 6);
  return labels;
}

std::vector<int64_t> twos() {
  std::vector<int64_t> sources;
  for (int64_t clip = 0; clip < 24; ++clip) sources.push_back(clip / 2);
  return sources;
}

TEST(DrawTasks, ThreadsChangeNothing) {
  const TaskOptions options{.ways = 3, .shots = 2, .queries = 2, .tasks = 300, .seed = 5};
  const Tasks expected = draw_tasks(sixes(), {}, 4, options, 1, {});
  for (const int num_threads : {0, 2, 7}) {
    const Tasks tasks = draw_tasks(sixes(), {}, 4, options, num_threads, {});
    EXPECT_EQ(tasks.classes, expected.classes);
    EXPECT_EQ(tasks.supports, expected.supports);
    EXPECT_EQ(tasks.queries, expected.queries);
  }
}

TEST(DrawTasks, EveryClassIsInAsManyTasks) {
  for (const int64_t ways : {2, 3, 4}) {
    const Tasks tasks = draw_tasks(sixes(), {}, 4, {.ways = ways, .tasks = 101}, 1, {});
    std::vector<int64_t> counts(4);
    for (const int64_t c : tasks.classes) ++counts[static_cast<size_t>(c)];
    EXPECT_LE(std::ranges::max(counts) - std::ranges::min(counts), 1) << ways;
    for (int64_t task = 0; task < 101; ++task) {
      const auto begin = tasks.classes.begin() + task * ways;
      EXPECT_EQ(static_cast<int64_t>(std::set<int64_t>(begin, begin + ways).size()), ways);
    }
  }
}

TEST(DrawTasks, SourcesOfQueriesAreNotAmongTheSupports) {
  const auto labels = sixes();
  const auto sources = twos();
  const Tasks tasks = draw_tasks(labels, sources, 4, {.ways = 4, .shots = 2, .queries = 2, .tasks = 200}, 1, {});
  for (int64_t task = 0; task < 200; ++task) {
    std::set<int64_t> met;
    for (int64_t i = 0; i < 8; ++i)
      met.insert(sources[static_cast<size_t>(tasks.queries[static_cast<size_t>(task * 8 + i)])]);
    for (int64_t i = 0; i < 8; ++i)
      EXPECT_FALSE(met.contains(sources[static_cast<size_t>(tasks.supports[static_cast<size_t>(task * 8 + i)])]));
  }
}

TEST(DrawTasks, NamesTheParameterThatItRejects) {
  const auto rejected = [](const TaskOptions& options, const std::vector<int64_t>& sources = {}) {
    return rejected_parameter([&] { draw_tasks(sixes(), sources, 4, options, 1, {}); });
  };
  EXPECT_EQ(rejected({.ways = 1}), "ways");
  EXPECT_EQ(rejected({.ways = 5}), "ways");
  EXPECT_EQ(rejected({.ways = 2, .shots = 0}), "shots");
  EXPECT_EQ(rejected({.ways = 2, .queries = 0}), "queries");
  EXPECT_EQ(rejected({.ways = 2, .tasks = 0}), "tasks");
  EXPECT_EQ(rejected({.ways = 2, .shots = 4, .queries = 3}), "shots");
  EXPECT_EQ(rejected({.ways = 2, .shots = 5, .queries = 1}, twos()), "sources");  // two of its source are gone
}

/// One task of two classes, two supports each, and a query of each.
const Tasks kTask{.num_tasks = 1,
                  .ways = 2,
                  .shots = 2,
                  .queries_per_task = 2,
                  .classes = {0, 1},
                  .supports = {1, 2, 4, 5},
                  .queries = {0, 3}};

std::vector<double> shares_of(const std::vector<float>& of_first, const MergeOptions& options) {
  std::vector<float> similarity(36, 0);
  for (size_t i = 0; i < 4; ++i) similarity[static_cast<size_t>(kTask.supports[i])] = of_first[i];
  std::vector<double> shares(4, -1);
  score_tasks(kTask, std::span<const float>(similarity), 0, 6, options, shares, 1, {});
  EXPECT_EQ(shares[2], 0.5) << "the second query is as similar to all";
  return {shares[0], shares[1]};
}

TEST(ScoreTasks, EachMergeHasItsWinner) {
  using Shares = std::vector<double>;
  EXPECT_EQ(shares_of({3, 3, 5, 0}, {.merge = Merge::kMean, .weights = {}}), (Shares{1, 0}));
  EXPECT_EQ(shares_of({3, 3, 5, 0}, {.merge = Merge::kMax, .weights = {}}), (Shares{0, 1}));
  EXPECT_EQ(shares_of({3, 2, 2, 3}, {.merge = Merge::kMean, .weights = {}}), (Shares{0.5, 0.5}));
  EXPECT_EQ(shares_of({3, 1, 0, 4}, {.merge = Merge::kWeighted, .weights = {1, 2}}), (Shares{1, 0}));
  EXPECT_EQ(shares_of({3, 1, 0, 4}, {.merge = Merge::kNeighbours, .weights = {}, .neighbours = 1}), (Shares{0, 1}));
  EXPECT_EQ(shares_of({3, 2, 0, 4}, {.merge = Merge::kNeighbours, .weights = {}, .neighbours = 3}), (Shares{1, 0}));
  EXPECT_EQ(shares_of({3, 2, 2, 4}, {.merge = Merge::kNeighbours, .weights = {}, .neighbours = 3}), (Shares{0.5, 0.5}));
}

TEST(ScoreTasks, RowsOfOtherClipsAreLeftAlone) {
  const std::vector<float> rows(12, 1);  // of clips 3 and 4
  std::vector<double> shares(4, -1);
  score_tasks(kTask, std::span<const float>(rows), 3, 6, {}, shares, 1, {});
  EXPECT_EQ(shares, (std::vector<double>{-1, -1, 0.5, 0.5}));
}

TEST(ScoreTasks, NaNIsRefused) {
  const std::vector<double> similarity(36, std::numeric_limits<double>::quiet_NaN());
  std::vector<double> shares(4);
  EXPECT_EQ(
      rejected_parameter([&] { score_tasks(kTask, std::span<const double>(similarity), 0, 6, {}, shares, 1, {}); }),
      "similarity");
}

TEST(ScoreCentroids, TheNearestMeanWins) {
  //                                   query  class 0  query  class 1
  const std::vector<float> embeddings{1, 0, 0, 0, 2, 0, 2, 0, 3, 1, 3, -1};
  std::vector<double> shares(4);
  score_centroids(kTask, embeddings, 2, shares, 1, {});
  EXPECT_EQ(shares, (std::vector<double>{1, 0, 0.5, 0.5}));  // the second query is 1 from both
}

}  // namespace
}  // namespace siamaudio

#include "score/oneshot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "expect.h"

namespace siamaudio {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct OneShotResult {
  double accuracy = 0;            // mean over classes
  std::vector<double> per_class;  // (classes,)
  std::vector<double> confusion;  // (classes, classes): share of the tasks of class [row] answered by [column]
};

/// Every query scored at once, the mean over the queries of each class.
template <typename Value>
OneShotResult exact_oneshot(const std::vector<Value>& similarity, const std::vector<int64_t>& labels,
                            int64_t num_classes, int64_t ways, int num_threads) {
  const ExactOneShot task({.labels = labels, .sources = {}, .num_classes = num_classes},
                          {.ways = ways, .most_ways = num_classes, .confusion = true});
  const OneShotScores scores = task.score(std::span<const Value>(similarity), 0, num_threads, {});
  OneShotResult result;
  const auto width = static_cast<size_t>(num_classes);
  result.confusion.resize(width * width);
  for (size_t query = 0; query < labels.size(); ++query) {
    const auto row = static_cast<size_t>(labels[query]);
    const auto size = static_cast<double>(std::ranges::count(labels, labels[query]));
    for (size_t c = 0; c < width; ++c) result.confusion[row * width + c] += scores.confusion[query * width + c] / size;
    EXPECT_EQ(scores.confusion[query * width + row], scores.wins[query * (width - 1) + static_cast<size_t>(ways - 2)]);
  }
  for (size_t c = 0; c < width; ++c) {
    result.per_class.push_back(result.confusion[c * (width + 1)]);
    result.accuracy += result.per_class.back() / static_cast<double>(num_classes);
  }
  return result;
}

/// Plays every task: each query, each set of classes that holds the query's, each choice of one support a class.
class BruteForce {
 public:
  BruteForce(const std::vector<double>& similarity, const std::vector<int64_t>& labels, int64_t num_classes,
             int64_t ways)
      : similarity_(similarity),
        labels_(labels),
        num_classes_(static_cast<size_t>(num_classes)),
        ways_(static_cast<size_t>(ways)) {}

  OneShotResult run() {
    OneShotResult result;
    for (size_t own = 0; own < num_classes_; ++own) {
      std::vector<double> row(num_classes_);
      double num_sets = 0;
      for (uint32_t set = 0; set < 1U << num_classes_; ++set) {
        if ((set >> own & 1) == 0 || static_cast<size_t>(std::popcount(set)) != ways_) continue;
        ++num_sets;
        std::vector<double> answers(num_classes_);
        double num_tasks = 0;
        for (size_t query = 0; query < labels_.size(); ++query)
          if (labels_[query] == static_cast<int64_t>(own)) play(query, set, 0, {}, answers, num_tasks);
        for (size_t c = 0; c < num_classes_; ++c) row[c] += answers[c] / num_tasks;
      }
      for (double& share : row) share /= num_sets;
      result.per_class.push_back(row[own]);
      result.accuracy += row[own] / static_cast<double>(num_classes_);
      result.confusion.insert(result.confusion.end(), row.begin(), row.end());
    }
    return result;
  }

 private:
  /// Chooses a support of class `next` and of the classes after it, then lets the most similar win.
  void play(size_t query, uint32_t set, size_t next, std::vector<size_t> supports, std::vector<double>& answers,
            double& num_tasks) {
    if (next == num_classes_) {
      double best = -kInfinity;
      for (const size_t support : supports) best = std::max(best, at(query, support));
      const auto num_best = static_cast<double>(
          std::ranges::count_if(supports, [&](size_t support) { return at(query, support) == best; }));
      for (const size_t support : supports)
        if (at(query, support) == best) answers[static_cast<size_t>(labels_[support])] += 1 / num_best;
      ++num_tasks;
      return;
    }
    if ((set >> next & 1) == 0) return play(query, set, next + 1, supports, answers, num_tasks);
    for (size_t support = 0; support < labels_.size(); ++support) {
      if (labels_[support] != static_cast<int64_t>(next) || support == query) continue;
      supports.push_back(support);
      play(query, set, next + 1, supports, answers, num_tasks);
      supports.pop_back();
    }
  }

  double at(size_t query, size_t support) const { return similarity_[query * labels_.size() + support]; }

  const std::vector<double>& similarity_;
  const std::vector<int64_t>& labels_;
  size_t num_classes_;
  size_t ways_;
};

void expect_same(const OneShotResult& actual, const OneShotResult& expected, const std::string& what) {
  EXPECT_NEAR(actual.accuracy, expected.accuracy, 1e-12) << what;
  expect_close(actual.per_class, expected.per_class, 1e-12, what);
  expect_close(actual.confusion, expected.confusion, 1e-12, what);
}

std::vector<double> random_similarity(size_t num_clips, int num_values, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<double> similarity(num_clips * num_clips);
  for (double& value : similarity) value = static_cast<double>(engine() % static_cast<uint64_t>(num_values));
  return similarity;
}

// Not sorted by class: clips of a class need not stand together.
const std::vector<int64_t> kUnequal{2, 0, 1, 3, 1, 2, 0, 3, 1, 3};  // 4 classes of 2, 3, 2 and 3 clips
const std::vector<int64_t> kPairs{0, 1, 2, 3, 4, 4, 3, 2, 1, 0};    // 5 classes of 2 clips
const std::vector<int64_t> kTriples{0, 0, 0, 1, 1, 1, 2, 2, 2};     // 3 classes of 3 clips

struct Sample {
  const char* name;
  const std::vector<int64_t>& labels;
  int64_t num_classes;
};
const Sample kSamples[] = {{"unequal", kUnequal, 4}, {"pairs", kPairs, 5}, {"triples", kTriples, 3}};

TEST(ExactOneShot, AgreesWithThePlayingOfEveryTask) {
  for (const auto& [name, labels, num_classes] : kSamples) {
    for (const int num_values : {1000000, 10, 3, 2}) {  // the fewer, the more ties
      for (uint64_t seed = 0; seed < 3; ++seed) {
        const auto similarity = random_similarity(labels.size(), num_values, seed);
        for (int64_t ways = 2; ways <= num_classes; ++ways)
          expect_same(
              exact_oneshot(similarity, labels, num_classes, ways, 1),
              BruteForce(similarity, labels, num_classes, ways).run(),
              std::string(name) + ", " + std::to_string(num_values) + " values, " + std::to_string(ways) + " ways");
      }
    }
  }
}

TEST(ExactOneShot, RanksInfinitiesAsNumbers) {
  auto similarity = random_similarity(kUnequal.size(), 4, 5);
  for (double& value : similarity) {
    if (value == 0)
      value = -kInfinity;
    else if (value == 3)
      value = kInfinity;
  }
  for (int64_t ways = 2; ways <= 4; ++ways)
    expect_same(exact_oneshot(similarity, kUnequal, 4, ways, 1), BruteForce(similarity, kUnequal, 4, ways).run(),
                std::to_string(ways));
}

TEST(ExactOneShot, DoesNotReadTheDiagonal) {
  auto similarity = random_similarity(kPairs.size(), 5, 1);
  const auto expected = exact_oneshot(similarity, kPairs, 5, 3, 1);
  for (const double value : {kNaN, 1e9, -1e9}) {
    for (size_t i = 0; i < kPairs.size(); ++i) similarity[i * (kPairs.size() + 1)] = value;
    EXPECT_EQ(exact_oneshot(similarity, kPairs, 5, 3, 1).confusion, expected.confusion);
  }
}

struct Large {
  std::vector<int64_t> labels;
  int64_t num_classes;
};

Large large(int64_t num_classes) {
  Large sample{{}, num_classes};
  for (int64_t c = 0; c < num_classes; ++c)
    for (int64_t i = 0; i < 2 + c % 5; ++i) sample.labels.push_back(c);
  return sample;
}

TEST(ExactOneShot, RowsOfTheConfusionAddToOne) {
  const auto [labels, num_classes] = large(40);
  for (const int num_values : {2, 30, 1000000}) {
    const auto similarity = random_similarity(labels.size(), num_values, 6);
    for (const int64_t ways : {2, 3, 5, 20, 39, 40}) {
      const auto result = exact_oneshot(similarity, labels, num_classes, ways, 2);
      for (size_t row = 0; row < 40; ++row) {
        double sum = 0;
        for (size_t column = 0; column < 40; ++column) {
          const double share = result.confusion[row * 40 + column];
          EXPECT_GE(share, 0);
          sum += share;
        }
        EXPECT_NEAR(sum, 1, 1e-12) << ways << " ways";
        EXPECT_EQ(result.per_class[row], result.confusion[row * 41]);
      }
    }
  }
}

TEST(ExactOneShot, IsChanceWhereAllClipsAreAlike) {
  const auto [labels, num_classes] = large(50);
  const std::vector<double> similarity(labels.size() * labels.size(), 0.5);
  for (const int64_t ways : {2, 3, 5, 49, 50}) {
    const auto result = exact_oneshot(similarity, labels, num_classes, ways, 2);
    const double chance = 1 / static_cast<double>(ways);
    EXPECT_NEAR(result.accuracy, chance, 1e-12);
    for (const double accuracy : result.per_class) EXPECT_NEAR(accuracy, chance, 1e-12);
    // The other answers fall on the other classes alike.
    EXPECT_NEAR(result.confusion[1], (1 - chance) / 49, 1e-12);
  }
}

TEST(ExactOneShot, IsOneWhereClassesAreApartAndZeroWhereTheyAreExchanged) {
  const auto [labels, num_classes] = large(7);
  for (const double own : {1.0, -1.0}) {
    std::vector<double> similarity;
    for (const int64_t query : labels)
      for (const int64_t support : labels) similarity.push_back(query == support ? own : 0.0);
    for (int64_t ways = 2; ways <= 7; ++ways)
      EXPECT_NEAR(exact_oneshot(similarity, labels, num_classes, ways, 1).accuracy, own > 0 ? 1 : 0, 1e-12) << ways;
  }
}

TEST(ExactOneShot, DoesNotDependOnTheThreads) {
  const auto [labels, num_classes] = large(12);
  const auto similarity = random_similarity(labels.size(), 20, 7);
  const auto expected = exact_oneshot(similarity, labels, num_classes, 5, 1);
  for (const int num_threads : {0, 2, 3, 64}) {
    const auto result = exact_oneshot(similarity, labels, num_classes, 5, num_threads);
    EXPECT_EQ(result.accuracy, expected.accuracy);
    EXPECT_EQ(result.confusion, expected.confusion);
  }
}

TEST(ExactOneShot, FloatsAreScoredAsDoubles) {
  const auto similarity = random_similarity(kUnequal.size(), 6, 3);
  const std::vector<float> rounded(similarity.begin(), similarity.end());
  expect_same(exact_oneshot(rounded, kUnequal, 4, 3, 1), exact_oneshot(similarity, kUnequal, 4, 3, 1), "float");
  EXPECT_NEAR(exact_oneshot_accuracy(rounded, kUnequal, 4, 3, 1, {}),
              exact_oneshot(similarity, kUnequal, 4, 3, 1).accuracy, 1e-12);
}

TEST(ExactOneShot, BlocksOfQueriesAreTheirPartOfAll) {
  const auto similarity = random_similarity(kUnequal.size(), 3, 4);
  const ExactOneShot task({.labels = kUnequal, .sources = {}, .num_classes = 4},
                          {.ways = 3, .most_ways = 4, .confusion = true});
  const std::span<const double> rows(similarity);
  const auto all = task.score(rows, 0, 1, {});
  const auto begin = task.score(rows.first(30), 0, 1, {});
  const auto end = task.score(rows.subspan(30), 3, 1, {});
  EXPECT_TRUE(std::ranges::equal(begin.wins, std::span(all.wins).first(9)));
  EXPECT_TRUE(std::ranges::equal(end.wins, std::span(all.wins).subspan(9)));
  EXPECT_TRUE(std::ranges::equal(end.confusion, std::span(all.confusion).subspan(12)));
  for (size_t clip = 0; clip < kUnequal.size(); ++clip)
    EXPECT_NEAR(begin.support_influence[clip] + end.support_influence[clip], all.support_influence[clip], 1e-14);
}

TEST(ExactOneShot, SourcesAreNeverMet) {
  // Where all clips of a source are alike to each other and to nothing else, the source is all that is recognised.
  const std::vector<int64_t> labels{0, 0, 0, 0, 1, 1, 1, 1};
  const std::vector<int64_t> sources{0, 0, 1, 1, 2, 2, 3, 3};
  std::vector<double> similarity;
  for (const int64_t a : sources)
    for (const int64_t b : sources) similarity.push_back(a == b ? 1 : 0);
  const auto accuracy = [&](const std::vector<int64_t>& given) {
    const ExactOneShot task({.labels = labels, .sources = given, .num_classes = 2}, {.ways = 2, .most_ways = 2});
    return task.score(std::span<const double>(similarity), 0, 1, {}).wins;
  };
  for (const double won : accuracy({})) EXPECT_NEAR(won, 1.0 / 3 + 2.0 / 3 / 2, 1e-15);
  for (const double won : accuracy(sources)) EXPECT_NEAR(won, 0.5, 1e-15);
}

TEST(ExactOneShot, NamesTheParameterThatItRejects) {
  const auto similarity = random_similarity(kPairs.size(), 5, 1);
  const auto rejected = [](const std::vector<double>& matrix, const std::vector<int64_t>& labels, int64_t num_classes,
                           int64_t ways) {
    return rejected_parameter([&] { exact_oneshot(matrix, labels, num_classes, ways, 1); });
  };
  for (const int64_t ways : {-1, 0, 1, 6}) EXPECT_EQ(rejected(similarity, kPairs, 5, ways), "ways");
  EXPECT_EQ(rejected(std::vector<double>(4), {0, 0}, 1, 2), "ways");
  EXPECT_EQ(rejected(std::vector<double>(9), {0, 0, 1}, 2, 2), "labels");      // one clip
  EXPECT_EQ(rejected(std::vector<double>(16), {0, 0, 2, 2}, 3, 2), "labels");  // none
  for (const size_t place : {1U, 10U, 98U}) {
    auto broken = similarity;
    broken[place] = kNaN;
    EXPECT_EQ(rejected(broken, kPairs, 5, 2), "similarity") << place;
  }
}

}  // namespace
}  // namespace siamaudio

#include "score/subset_means.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "score/quadrature.h"

namespace siamaudio {
namespace {

/// Over every subset of k that does not hold `without`; -1: over every subset.
double naive_mean(const std::vector<double>& factors, int k, int without) {
  double sum = 0;
  double count = 0;
  for (uint32_t set = 0; set < 1U << factors.size(); ++set) {
    if (std::popcount(set) != k || (without >= 0 && (set >> without & 1U) != 0)) continue;
    double product = 1;
    for (size_t i = 0; i < factors.size(); ++i)
      if ((set >> i & 1U) != 0) product *= factors[i];
    sum += product;
    ++count;
  }
  return sum / count;
}

std::vector<double> random_factors(size_t size, std::mt19937_64& engine) {
  std::vector<double> factors(size);
  for (double& factor : factors) factor = static_cast<double>(engine() % 5) / 4;  // 0 and 1 among them
  return factors;
}

TEST(SubsetMeans, EveryKIsTheMeanOverAllSubsets) {
  std::mt19937_64 engine(0);
  for (const int size : {0, 1, 2, 5, 9}) {
    std::vector<std::vector<double>> sets;
    for (int lane = 0; lane < kSubsetLanes; ++lane) sets.push_back(random_factors(static_cast<size_t>(size), engine));
    std::vector<double> factors;
    for (int i = 0; i < size; ++i)
      for (const auto& set : sets) factors.push_back(set[static_cast<size_t>(i)]);
    for (const int most : {1, size, size + 2}) {
      std::vector<double> means(static_cast<size_t>((most + 1) * kSubsetLanes), -1);
      mean_subset_products(factors.data(), size, most, means.data());
      for (int k = 0; k <= most; ++k)
        for (int lane = 0; lane < kSubsetLanes; ++lane)
          EXPECT_NEAR(means[static_cast<size_t>(k * kSubsetLanes + lane)],
                      k > size ? 0 : naive_mean(sets[static_cast<size_t>(lane)], k, -1), 1e-14)
              << k << " of " << size;
    }
  }
}

TEST(SubsetMeanTree, IsTheMeanOverAllSubsetsWithoutOneAsFactorsChange) {
  std::mt19937_64 engine(1);
  for (const int size : {2, 3, 4, 7, 10}) {
    for (int k = 1; k < size; ++k) {
      const SubsetMeanTree::Plan plan(size, k);
      SubsetMeanTree tree(plan);
      auto factors = random_factors(static_cast<size_t>(size), engine);
      tree.set_all(factors.data());
      for (int change = 0; change < 10; ++change) {
        const auto index = static_cast<int64_t>(engine() % static_cast<uint64_t>(size));
        factors[static_cast<size_t>(index)] = random_factors(1, engine)[0];
        tree.set(index, factors[static_cast<size_t>(index)]);
        for (int without = 0; without < size; ++without)
          EXPECT_NEAR(tree.mean_without(without), naive_mean(factors, k, without), 1e-14) << k << " of " << size;
      }
    }
  }
}

TEST(SubsetMeanTree, StaysAMeanForAThousandFactors) {
  std::mt19937_64 engine(2);
  for (const int64_t k : {1, 3, 400, 998, 999}) {
    const SubsetMeanTree::Plan plan(1000, k);
    SubsetMeanTree tree(plan);
    // Of equal factors every product, and so the mean, is one power.
    const double factor = 0.99;
    const std::vector<double> factors(1000, factor);
    tree.set_all(factors.data());
    for (const int64_t without : {0, 1, 499, 999})
      EXPECT_NEAR(tree.mean_without(without) / std::pow(factor, static_cast<double>(k)), 1, 1e-11) << k;
    for (int change = 0; change < 20000 / static_cast<int>(k); ++change)
      tree.set(static_cast<int64_t>(engine() % 1000), static_cast<double>(engine() % 5) / 4);
    tree.set_all(factors.data());
    for (int64_t i = 0; i < 1000; ++i) tree.set(i, factor);
    EXPECT_NEAR(tree.mean_without(7) / std::pow(factor, static_cast<double>(k)), 1, 1e-11) << k;
  }
}

TEST(Quadrature, IntegratesEveryPowerUpToItsDegree) {
  const Quadrature quadrature(200);
  for (int64_t degree = 0; degree <= 200; ++degree) {
    const auto& rule = quadrature.rule(degree);
    EXPECT_LE(rule.nodes.size(), static_cast<size_t>(degree / 2 + 1) * 4 / 3 + 1);
    for (const int64_t power : {int64_t{0}, degree / 2, degree}) {
      double integral = 0;
      for (size_t i = 0; i < rule.nodes.size(); ++i)
        integral += rule.weights[i] * std::pow(rule.nodes[i], static_cast<double>(power));
      EXPECT_NEAR(integral, 1 / static_cast<double>(power + 1), 1e-13) << power << " by the rule for " << degree;
    }
  }
}

}  // namespace
}  // namespace siamaudio

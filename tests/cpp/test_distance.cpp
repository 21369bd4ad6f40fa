#include "model/distance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "expect.h"
#include "tensors.h"

namespace siamaudio {
namespace {

/// One pair after another, in double.
std::vector<double> naive_similarity(const at::Tensor& a, const at::Tensor& b, Metric metric) {
  const auto left = values(a);
  const auto right = values(b);
  const auto dim = static_cast<size_t>(a.size(1));
  std::vector<double> all;
  for (size_t i = 0; i < left.size() / dim; ++i) {
    for (size_t j = 0; j < right.size() / dim; ++j) {
      double product = 0;
      double left_square = 0;
      double right_square = 0;
      double distance_square = 0;
      for (size_t k = 0; k < dim; ++k) {
        const double x = left[i * dim + k];
        const double y = right[j * dim + k];
        product += x * y;
        left_square += x * x;
        right_square += y * y;
        distance_square += (x - y) * (x - y);
      }
      if (metric == Metric::kEuclidean)
        all.push_back(-std::sqrt(distance_square));
      else
        all.push_back(left_square * right_square == 0 ? 0 : product / std::sqrt(left_square) / std::sqrt(right_square));
    }
  }
  return all;
}

TEST(Distance, IsTakenElementByElement) {
  const at::Tensor a = make_tensor({1, -2, 0.5F}, {3});
  const at::Tensor b = make_tensor({3, -2, -1}, {3});
  EXPECT_EQ(values(embedding_distance(a, b, Distance::kAbsolute)), (std::vector<double>{2, 0, 1.5}));
  EXPECT_EQ(values(embedding_distance(a, b, Distance::kSquared)), (std::vector<double>{4, 0, 2.25}));
  EXPECT_EQ(values(embedding_distance(a, b, Distance::kProduct)), (std::vector<double>{3, 4, -0.5}));
}

TEST(Distance, OrAsOneNumberAPair) {
  const at::Tensor a = noise_tensor({6, 9}, 3);
  const at::Tensor b = noise_tensor({6, 9}, 4);
  for (const auto& [distance, metric] :
       {std::pair{Distance::kEuclidean, Metric::kEuclidean}, std::pair{Distance::kCosine, Metric::kCosine}}) {
    const at::Tensor grid = embedding_distance(a.unsqueeze(1), b.unsqueeze(0), distance);
    ASSERT_EQ(grid.sizes(), at::IntArrayRef({6, 6}));
    auto expected = naive_similarity(a, b, metric);
    for (double& value : expected) value = (metric == Metric::kCosine ? 1 : 0) - value;
    expect_close(values(grid), expected, 1e-6);
    EXPECT_GE(embedding_distance(a, a, distance).min().item<float>(), -1e-6);
  }
}

TEST(Distance, HasFiniteGradientsWhereEmbeddingsAreEqualOrZero) {
  for (const Distance distance : {Distance::kEuclidean, Distance::kCosine}) {
    for (const bool is_zero : {false, true}) {
      const at::Tensor a = (is_zero ? noise_tensor({3, 4}, 5) * 0 : noise_tensor({3, 4}, 5)).requires_grad_(true);
      const at::Tensor result = embedding_distance(a, a.detach(), distance);
      // Keras's floor of 1e-7 under the root; a zero vector has no angle.
      const double expected = distance == Distance::kEuclidean ? std::sqrt(1e-7) : is_zero ? 1 : 0;
      expect_close(values(result), std::vector<double>(3, expected), 1e-6);
      result.sum().backward();
      for (const double slope : values(a.grad())) EXPECT_LT(std::abs(slope), 1e-6);
    }
  }
}

TEST(Distance, IsParsed) {
  EXPECT_EQ(parse_distance("absolute"), Distance::kAbsolute);
  EXPECT_EQ(parse_distance("squared"), Distance::kSquared);
  EXPECT_EQ(parse_distance("product"), Distance::kProduct);
  EXPECT_EQ(parse_distance("euclidean"), Distance::kEuclidean);
  EXPECT_EQ(parse_distance("cosine"), Distance::kCosine);
  try {
    parse_distance("manhattan");
    FAIL() << "no error";
  } catch (const ParameterError& error) {
    EXPECT_EQ(std::string(error.what()),
              "distance: got manhattan; accepted: 'absolute', 'squared', 'product', 'euclidean' or 'cosine'");
  }
  EXPECT_EQ(parse_metric("cosine"), Metric::kCosine);
  EXPECT_EQ(parse_metric("euclidean"), Metric::kEuclidean);
  EXPECT_EQ(rejected_parameter([] { parse_metric("squared"); }), "metric");
}

TEST(MetricSimilarity, AgreesWithTheDefinition) {
  for (const Metric metric : {Metric::kCosine, Metric::kEuclidean}) {
    for (const int64_t dim : {1, 2, 500}) {
      const at::Tensor a = noise_tensor({7, dim}, 1);
      const at::Tensor b = noise_tensor({5, dim}, 2);
      const at::Tensor similarity = metric_similarity(a, b, metric);
      EXPECT_EQ(similarity.scalar_type(), at::kFloat);
      ASSERT_EQ(similarity.sizes(), at::IntArrayRef({7, 5}));
      expect_close(values(similarity), naive_similarity(a, b, metric), 2e-6);  // half a float32 ulp of values up to 32
    }
  }
}

TEST(MetricSimilarity, TellsCloseEmbeddingsApart) {
  // Far from the origin, a difference of squares would lose what |a - b| keeps.
  const at::Tensor a = make_tensor({1000, 1000, 1000, 1000.0625F}, {2, 2});
  expect_close(values(metric_similarity(a, a, Metric::kEuclidean)), std::vector<double>{0, -0.0625, -0.0625, 0}, 1e-9);
}

TEST(MetricSimilarity, OfAZeroVectorIsNoNaN) {
  const at::Tensor a = make_tensor({0, 0, 3, 4}, {2, 2});
  EXPECT_EQ(values(metric_similarity(a, a, Metric::kCosine)), (std::vector<double>{0, 0, 0, 1}));
  EXPECT_EQ(values(metric_similarity(a, a, Metric::kEuclidean)), (std::vector<double>{0, -5, -5, 0}));
}

TEST(MetricSimilarity, GivesEqualPairsEqualNumbersWhereverTheyStand) {
  // Ties are broken by chance in one-shot tasks: rounding must not break them first.
  for (const Metric metric : {Metric::kCosine, Metric::kEuclidean}) {
    for (const int64_t dim : {3, 64, 500}) {
      constexpr int64_t kDistinct = 5;
      constexpr int64_t kCopies = 13;  // 65 rows: not a multiple of any kernel's block
      const at::Tensor distinct = noise_tensor({kDistinct, dim}, static_cast<uint64_t>(dim));
      const auto all = values(metric_similarity(distinct.repeat({kCopies, 1}), distinct.repeat({kCopies, 1}), metric));
      constexpr auto kRows = static_cast<size_t>(kDistinct * kCopies);
      for (size_t i = 0; i < kRows; ++i)
        for (size_t j = 0; j < kRows; ++j)
          ASSERT_EQ(all[i * kRows + j], all[i % kDistinct * kRows + j % kDistinct])
              << "dim " << dim << ", " << i << ", " << j;
    }
  }
}

}  // namespace
}  // namespace siamaudio

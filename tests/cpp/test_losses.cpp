#include "train/losses.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "expect.h"
#include "tensors.h"

namespace siamaudio {
namespace {

/// From the definition; fit for moderate logits only.
double naive_loss(const std::vector<double>& logits, const std::vector<double>& is_same,
                  const std::vector<double>& weights, PairLoss loss) {
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double p = 1 / (1 + std::exp(-logits[i]));
    const double y = is_same[i];
    sum += weights[i] *
           (loss == PairLoss::kMeanSquaredError ? (p - y) * (p - y) : -y * std::log(p) - (1 - y) * std::log(1 - p));
  }
  return sum;
}

constexpr PairLoss kLosses[] = {PairLoss::kBinaryCrossEntropy, PairLoss::kMeanSquaredError};

TEST(PairLoss, AgreesWithTheDefinition) {
  for (const PairLoss loss : kLosses) {
    for (const int64_t size : {0, 1, 2, 101}) {
      const at::Tensor logits = noise_tensor({size}, 1) * 5;
      const at::Tensor is_same = noise_tensor({size}, 2).gt(0).to(at::kFloat);
      const at::Tensor weights = noise_tensor({size}, 3).abs();
      EXPECT_NEAR(pair_loss(logits, is_same, weights, loss).item<double>(),
                  naive_loss(values(logits), values(is_same), values(weights), loss),
                  1e-4);  // float32 sums of up to 101 terms up to 5
    }
  }
}

TEST(PairLoss, HasKnownValues) {
  const at::Tensor logits = make_tensor({0, 0}, {2});
  const at::Tensor is_same = make_tensor({1, 0}, {2});
  const at::Tensor weights = make_tensor({0.5F, 0.5F}, {2});
  EXPECT_NEAR(pair_loss(logits, is_same, weights, PairLoss::kBinaryCrossEntropy).item<double>(), std::log(2.0), 1e-7);
  EXPECT_NEAR(pair_loss(logits, is_same, weights, PairLoss::kMeanSquaredError).item<double>(), 0.25, 1e-7);
}

TEST(PairLoss, IsFiniteForExtremeLogits) {
  for (const float logit : {-100.0F, 100.0F, -1e4F, 1e4F}) {
    for (const float y : {0.0F, 1.0F}) {
      for (const PairLoss loss : kLosses) {
        const at::Tensor logits = make_tensor({logit}, {1}).set_requires_grad(true);
        const at::Tensor value = pair_loss(logits, make_tensor({y}, {1}), make_tensor({1}, {1}), loss);
        value.backward();
        const bool is_right = (logit > 0) == (y > 0);
        const double wrong = loss == PairLoss::kMeanSquaredError ? 1 : std::abs(logit);
        EXPECT_NEAR(value.item<double>(), is_right ? 0 : wrong, 1e-5) << logit << ", " << y;
        EXPECT_TRUE(std::isfinite(logits.grad().item<double>())) << logit << ", " << y;
      }
    }
  }
}

TEST(PairLoss, HasTheGradientOfItsValues) {
  constexpr double kStep = 1e-6;  // in double, central differences err by about 1e-10
  for (const PairLoss loss : kLosses) {
    const at::Tensor logits = (noise_tensor({6}, 4) * 3).to(at::kDouble).set_requires_grad(true);
    const auto is_same = make_tensor({1, 0, 1, 0, 1, 0}, {6}).to(at::kDouble);
    const auto weights = noise_tensor({6}, 5).abs().to(at::kDouble);
    pair_loss(logits, is_same, weights, loss).backward();
    std::vector<double> expected;
    for (size_t i = 0; i < 6; ++i) {
      auto higher = values(logits);
      auto lower = higher;
      higher[i] += kStep;
      lower[i] -= kStep;
      expected.push_back((naive_loss(higher, values(is_same), values(weights), loss) -
                          naive_loss(lower, values(is_same), values(weights), loss)) /
                         (2 * kStep));
    }
    expect_close(values(logits.grad()), expected, 1e-8);
  }
}

TEST(PairLoss, IsParsed) {
  EXPECT_EQ(parse_pair_loss("bce"), PairLoss::kBinaryCrossEntropy);
  EXPECT_EQ(parse_pair_loss("mse"), PairLoss::kMeanSquaredError);
  EXPECT_EQ(rejected_parameter([] { parse_pair_loss("BCE"); }), "loss");
}

}  // namespace
}  // namespace siamaudio

#include "train/moving_average.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "expect.h"
#include "tensors.h"

namespace siamaudio {
namespace {

/// A parameter, a running mean and a counter.
NamedTensors some_weights() {
  return {{"weight", noise_tensor({3, 2}, 1).to(at::kDouble).set_requires_grad(true)},
          {"running_mean", noise_tensor({2}, 2).to(at::kDouble)},
          {"count", make_tensor({7}, {}).to(at::kLong)}};
}

void change(const NamedTensors& weights, uint64_t seed) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : weights) tensor.copy_(noise_tensor(tensor.sizes(), seed) * 9);
}

TEST(MovingAverage, AgreesWithALoop) {
  for (const double decay : {0.0, 0.5, 0.99}) {
    const NamedTensors weights = some_weights();
    MovingAverage average(weights);
    std::vector<double> expected = values(weights[0].second);
    for (int t = 0; t < 12; ++t) {
      change(weights, 10 + static_cast<uint64_t>(t));
      average.update(decay);
      const double d = std::min(decay, (1.0 + t) / (10.0 + t));
      const auto now = values(weights[0].second);
      for (size_t i = 0; i < now.size(); ++i) expected[i] = d * expected[i] + (1 - d) * now[i];
      expect_close(values(named(average.state(), "weight")), expected, 1e-12);
    }
  }
}

TEST(MovingAverage, SwapsInAndOut) {
  const NamedTensors weights = some_weights();
  MovingAverage average(weights);
  change(weights, 5);
  average.update(0.9);
  const NamedTensors trained = copies(weights);
  const NamedTensors averaged = copies(average.state());
  average.swap();
  EXPECT_EQ(values(weights[0].second), values(averaged[0].second));
  EXPECT_EQ(values(weights[1].second), values(averaged[1].second));
  EXPECT_NE(values(weights[0].second), values(trained[0].second));
  EXPECT_TRUE(weights[0].second.requires_grad());
  average.swap();
  EXPECT_TRUE(same_bits(weights, trained));  // counters never moved
  EXPECT_TRUE(same_bits(average.state(), averaged));
}

TEST(MovingAverage, ContinuesFromItsState) {
  const NamedTensors weights = some_weights();
  MovingAverage average(weights);
  for (uint64_t t = 0; t < 3; ++t) {
    change(weights, t);
    average.update(0.9);
  }
  MovingAverage other(weights);
  other.load_state(copies(average.state()));
  change(weights, 9);
  average.update(0.9);
  other.update(0.9);
  EXPECT_TRUE(same_bits(average.state(), other.state()));
  EXPECT_EQ(rejected_parameter([&] { other.load_state({}); }), "moving average");
}

}  // namespace
}  // namespace siamaudio

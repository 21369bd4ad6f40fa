#include "model/first_block.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/isnan.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "fused_oracle.h"
#include "model/init.h"

namespace siamaudio {
namespace {

struct Case {
  int64_t clips;
  int64_t registers;  // of channels
  int64_t kernel_size;
  int64_t height;
  int64_t width;
};

std::ostream& operator<<(std::ostream& stream, const Case& c) {
  return stream << c.clips << " clips of " << c.height << " x " << c.width << ", " << c.registers
                << " registers of channels, kernel " << c.kernel_size;
}

const std::vector<Case> kCases{
    {.clips = 3, .registers = 2, .kernel_size = 5, .height = 20, .width = 31},
    {.clips = 2, .registers = 3, .kernel_size = 5, .height = 13, .width = 44},
    {.clips = 1, .registers = 1, .kernel_size = 5, .height = 6, .width = 6},  // one pool
    {.clips = 2, .registers = 1, .kernel_size = 5, .height = 8, .width = 7},  // one column of pools, and a rest
    {.clips = 2, .registers = 4, .kernel_size = 3, .height = 9, .width = 25},
    {.clips = 1, .registers = 1, .kernel_size = 3, .height = 4, .width = 4},
};

Pass training_pass(uint64_t seed) {
  return {.is_training = true, .dropout_generator = make_generator(at::kCPU, seed), .poll = {}};
}

/// All that the block is made of, with values away from their first ones.
struct Layers {
  BatchNorm input_norm{1};
  at::Tensor weight;
  at::Tensor bias;
  BatchNorm norm;

  explicit Layers(int64_t channels, int64_t kernel_size)
      : weight(noise_tensor({channels, 1, kernel_size, kernel_size}, 7)),
        bias(noise_tensor({channels}, 8)),
        norm(channels) {
    input_norm.weight().fill_(1.3);
    input_norm.bias().fill_(0.4);
    norm.weight().copy_(noise_tensor({channels}, 9) + 0.1);
    norm.bias().copy_(noise_tensor({channels}, 10));
  }

  std::vector<at::Tensor> parameters() const {
    return {weight, bias, input_norm.weight(), input_norm.bias(), norm.weight(), norm.bias()};
  }
};

class FirstBlock : public testing::TestWithParam<Isa> {
 protected:
  const Kernels& set_ = kernels(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Isas, FirstBlock, testing::ValuesIn(usable_isas()),
                         [](const auto& test) { return isa_name(test.param); });

TEST_P(FirstBlock, EqualsTheSeparateLayersInDoubleBothWays) {
  for (const Case& c : kCases) {
    for (int norms = 0; norms < 4; ++norms) {
      for (const double rate : {0.0, 0.3}) {
        SCOPED_TRACE(testing::Message() << c << ", norms " << norms << ", dropout " << rate);
        const bool has_input_norm = (norms & 1) != 0;
        const bool has_norm = (norms & 2) != 0;
        Layers layers(c.registers * set_.num_lanes, c.kernel_size);
        for (const at::Tensor& parameter : layers.parameters()) parameter.requires_grad_(true);
        const at::Tensor x = noise_tensor({c.clips, 1, c.height, c.width}, 1) * 2 + 0.5;
        const auto block = [&](double dropout) {
          return first_block(x, has_input_norm ? &layers.input_norm : nullptr, layers.weight, layers.bias,
                             has_norm ? &layers.norm : nullptr, dropout, training_pass(1), set_);
        };
        const at::Tensor out = block(rate);
        const at::Tensor whole = block(0);
        const at::Tensor upstream = noise_tensor(out.sizes(), 2);
        (out * upstream).sum().backward();

        std::vector<at::Tensor> oracles;
        for (const at::Tensor& parameter : layers.parameters()) oracles.push_back(oracle_of(parameter));
        at::Tensor y = x.to(at::kDouble);
        if (has_input_norm) y = oracle_norm(y, oracles[2], oracles[3]);
        y = at::conv2d(y, oracles[0], oracles[1]);
        if (has_norm) y = oracle_norm(y, oracles[4], oracles[5]);
        const at::Tensor oracle = oracle_pool(y, 2) * drawn_factors(out, whole, rate);
        (oracle * upstream.to(at::kDouble)).sum().backward();

        EXPECT_LE(relative_error(out, oracle), 1e-6);
        const double largest = at::linalg_vector_norm(oracles[0].grad()).item<double>();
        for (size_t i = 0; i < oracles.size(); ++i) {
          if (!oracles[i].grad().defined()) {
            EXPECT_FALSE(layers.parameters()[i].grad().defined()) << "parameter " << i;
            continue;
          }
          // Those that batch norm makes zero are rounding in the oracle.
          if (at::linalg_vector_norm(oracles[i].grad()).item<double>() < 1e-9 * largest)
            EXPECT_LE(at::linalg_vector_norm(layers.parameters()[i].grad()).item<double>(), 1e-9 * largest);
          else
            EXPECT_LE(relative_error(layers.parameters()[i].grad(), oracles[i].grad()), 1e-4) << "parameter " << i;
        }
      }
    }
  }
}

TEST_P(FirstBlock, MovesTheRunningStatisticsAsTheSeparateLayersDo) {
  const int64_t channels = set_.num_lanes;
  Layers fused(channels, 5);
  Layers plain(channels, 5);
  for (uint64_t step = 0; step < 3; ++step) {
    const at::Tensor x = noise_tensor({2, 1, 12, 17}, step) + 3;
    first_block(x, &fused.input_norm, fused.weight, fused.bias, &fused.norm, 0, training_pass(step), set_);
    const Pass pass = training_pass(step);
    plain.norm.forward(at::conv2d(plain.input_norm.forward(x, pass), plain.weight, plain.bias), pass);
  }
  const auto same = [](const at::Tensor& a, const at::Tensor& b) {
    EXPECT_LE(relative_error(a, b.to(at::kDouble)), 2e-6);
  };
  same(fused.input_norm.running_mean(), plain.input_norm.running_mean());
  same(fused.input_norm.running_variance(), plain.input_norm.running_variance());
  same(fused.norm.running_mean(), plain.norm.running_mean());
  same(fused.norm.running_variance(), plain.norm.running_variance());
}

TEST_P(FirstBlock, UsesTheRunningStatisticsOutsideTraining) {
  const at::NoGradGuard no_grad;
  const int64_t channels = 2 * set_.num_lanes;
  Layers layers(channels, 5);
  layers.input_norm.running_mean().fill_(0.7);
  layers.input_norm.running_variance().fill_(2);
  layers.norm.running_mean().copy_(noise_tensor({channels}, 3));
  layers.norm.running_variance().copy_(noise_tensor({channels}, 4) + 1.5);
  const Pass pass{.is_training = false, .dropout_generator = {}, .poll = {}};
  const at::Tensor x = noise_tensor({2, 1, 14, 19}, 5);
  const auto normed = [](const at::Tensor& y, const BatchNorm& norm) {
    const auto of = [](const at::Tensor& tensor) { return tensor.detach().to(at::kDouble); };
    return at::batch_norm(y, of(norm.weight()), of(norm.bias()), of(norm.running_mean()), of(norm.running_variance()),
                          false, 0, BatchNorm::kEpsilon, false);
  };
  const at::Tensor y = at::conv2d(normed(x.to(at::kDouble), layers.input_norm), layers.weight.to(at::kDouble),
                                  layers.bias.to(at::kDouble));
  const at::Tensor out = first_block(x, &layers.input_norm, layers.weight, layers.bias, &layers.norm, 0.5, pass, set_);
  EXPECT_LE(relative_error(out, oracle_pool(normed(y, layers.norm), 2)), 1e-6);
}

TEST_P(FirstBlock, PassesNanAndInfinityOnAsTheSeparateLayersDo) {
  const at::NoGradGuard no_grad;
  Layers layers(set_.num_lanes, 3);
  const Pass pass{.is_training = false, .dropout_generator = {}, .poll = {}};
  const at::Tensor x = noise_tensor({1, 1, 20, 20}, 5);
  x[0][0][3][3] = std::nanf("");
  x[0][0][10][10] = std::numeric_limits<float>::infinity();
  x[0][0][16][16] = -std::numeric_limits<float>::infinity();
  const at::Tensor out = first_block(x, nullptr, layers.weight, layers.bias, nullptr, 0, pass, set_);
  const at::Tensor oracle = oracle_pool(at::conv2d(x, layers.weight, layers.bias), 2);
  EXPECT_TRUE(at::equal(at::isnan(out), at::isnan(oracle)));
  EXPECT_TRUE(at::allclose(out, oracle, 1e-5, 1e-6, /*equal_nan=*/true));
}

}  // namespace
}  // namespace siamaudio

#include "model/norm_pool.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/roll.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "fused_oracle.h"
#include "model/init.h"

namespace siamaudio {
namespace {

struct Case {
  int64_t clips;
  int64_t lanes;  // of channels, times the kernels' lanes
  int64_t height;
  int64_t width;
  int64_t pool_size;
  bool has_norm;
};

std::ostream& operator<<(std::ostream& stream, const Case& c) {
  return stream << c.clips << " clips, " << c.lanes << " registers of channels, " << c.height << " x " << c.width
                << ", pools of " << c.pool_size << (c.has_norm ? ", batch norm" : "");
}

const std::vector<Case> kCases{
    {.clips = 3, .lanes = 1, .height = 8, .width = 12, .pool_size = 2, .has_norm = true},
    {.clips = 2, .lanes = 2, .height = 7, .width = 9, .pool_size = 2, .has_norm = true},
    {.clips = 5, .lanes = 1, .height = 2, .width = 2, .pool_size = 2, .has_norm = true},
    {.clips = 1, .lanes = 3, .height = 3, .width = 200, .pool_size = 2, .has_norm = true},
    {.clips = 4, .lanes = 1, .height = 5, .width = 3, .pool_size = 1, .has_norm = true},
    {.clips = 2, .lanes = 1, .height = 9, .width = 6, .pool_size = 2, .has_norm = false},
    {.clips = 2, .lanes = 2, .height = 4, .width = 5, .pool_size = 1, .has_norm = false},
};

Pass training_pass(uint64_t seed) {
  return {.is_training = true, .dropout_generator = make_generator(at::kCPU, seed), .poll = {}};
}

const Pass& inference_pass() {
  static const Pass pass{.is_training = false, .dropout_generator = {}, .poll = {}};
  return pass;
}

/// A layer with weights of both signs.
BatchNorm make_norm(int64_t channels) {
  BatchNorm norm(channels);
  norm.weight().copy_(noise_tensor({channels}, 11) + 0.1);
  norm.bias().copy_(noise_tensor({channels}, 12));
  return norm;
}

at::Tensor make_map(const Case& c, int64_t lanes) {
  return (noise_tensor({c.clips, c.lanes * lanes, c.height, c.width}, 1) * 3 + 5)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

class NormPool : public testing::TestWithParam<Isa> {
 protected:
  const Kernels& set_ = kernels(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Isas, NormPool, testing::ValuesIn(usable_isas()),
                         [](const auto& test) { return isa_name(test.param); });

TEST_P(NormPool, EqualsTheSeparateLayersInDoubleBothWays) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::Message() << c);
    for (const double rate : {0.0, 0.3}) {
      BatchNorm norm = make_norm(c.lanes * set_.num_lanes);
      const at::Tensor values = make_map(c, set_.num_lanes);
      const at::Tensor x = values.clone().requires_grad_(true);
      norm.weight().requires_grad_(true);
      norm.bias().requires_grad_(true);
      BatchNorm* layer = c.has_norm ? &norm : nullptr;
      // The identity in between, since the gradient is written over what norm_pool is given.
      const at::Tensor out = norm_pool(x * 1, layer, c.pool_size, rate, training_pass(1), set_);
      const at::Tensor whole = norm_pool(values.clone(), layer, c.pool_size, 0, training_pass(1), set_);
      const at::Tensor upstream = noise_tensor(out.sizes(), 2);
      (out * upstream).sum().backward();

      const at::Tensor oracle_x = oracle_of(values);
      const at::Tensor weight = oracle_of(norm.weight());
      const at::Tensor bias = oracle_of(norm.bias());
      const at::Tensor normed = c.has_norm ? oracle_norm(oracle_x, weight, bias) : oracle_x * 1;
      const at::Tensor oracle = oracle_pool(normed, c.pool_size) * drawn_factors(out, whole, rate);
      (oracle * upstream.to(at::kDouble)).sum().backward();

      EXPECT_LE(relative_error(out, oracle), 1e-6);
      EXPECT_LE(relative_error(x.grad(), oracle_x.grad()), 1e-4);
      if (!c.has_norm) continue;
      EXPECT_LE(relative_error(norm.weight().grad(), weight.grad()), 1e-4);
      EXPECT_LE(relative_error(norm.bias().grad(), bias.grad()), 1e-4);
    }
  }
}

TEST_P(NormPool, MovesTheRunningStatisticsAsBatchNormDoes) {
  const int64_t channels = set_.num_lanes;
  BatchNorm fused = make_norm(channels);
  BatchNorm plain = make_norm(channels);
  for (uint64_t step = 0; step < 3; ++step) {
    const at::Tensor x = (noise_tensor({2, channels, 5, 6}, step) + 2).contiguous(at::MemoryFormat::ChannelsLast);
    norm_pool(x, &fused, 2, 0, training_pass(step), set_);
    plain.forward(x, training_pass(step));
  }
  EXPECT_LE(relative_error(fused.running_mean(), plain.running_mean().to(at::kDouble)), 1e-6);
  EXPECT_LE(relative_error(fused.running_variance(), plain.running_variance().to(at::kDouble)), 1e-6);
}

TEST_P(NormPool, UsesTheRunningStatisticsOutsideTraining) {
  const at::NoGradGuard no_grad;
  const int64_t channels = 2 * set_.num_lanes;
  BatchNorm norm = make_norm(channels);
  norm.running_mean().copy_(noise_tensor({channels}, 3));
  norm.running_variance().copy_(noise_tensor({channels}, 4) + 1.5);
  const at::Tensor x = noise_tensor({2, channels, 6, 7}, 5).contiguous(at::MemoryFormat::ChannelsLast);
  const auto of = [](const at::Tensor& tensor) { return tensor.detach().to(at::kDouble); };
  const at::Tensor oracle =
      oracle_pool(at::batch_norm(of(x), of(norm.weight()), of(norm.bias()), of(norm.running_mean()),
                                 of(norm.running_variance()), false, 0, BatchNorm::kEpsilon, false),
                  2);
  EXPECT_LE(relative_error(norm_pool(x, &norm, 2, 0.5, inference_pass(), set_), oracle), 1e-6);
}

TEST_P(NormPool, PassesNanAndInfinityOnAsTheSeparateLayersDo) {
  const at::NoGradGuard no_grad;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const int64_t pool_size : {1, 2}) {
    const at::Tensor x = noise_tensor({1, set_.num_lanes, 6, 6}, 1).contiguous(at::MemoryFormat::ChannelsLast);
    x[0][0][0][1] = std::nanf("");
    x[0][1][2][2] = kInfinity;
    x[0][2][3][3] = -kInfinity;
    x[0][3][4][4] = std::nanf("");
    x[0][3][4][5] = kInfinity;
    const at::Tensor out = norm_pool(x, nullptr, pool_size, 0, inference_pass(), set_);
    const at::Tensor oracle = oracle_pool(x, pool_size);
    EXPECT_TRUE(at::equal(at::isnan(out), at::isnan(oracle)));
    EXPECT_TRUE(at::equal(out.nan_to_num(-1), oracle.nan_to_num(-1)));
  }
}

TEST_P(NormPool, DropsTheShareAskedForAndOtherElementsForAnotherSeed) {
  const at::Tensor x = (noise_tensor({4, set_.num_lanes, 64, 64}, 1) + 2).contiguous(at::MemoryFormat::ChannelsLast);
  const auto dropped = [&](uint64_t seed) { return norm_pool(x, nullptr, 1, 0.25, training_pass(seed), set_) == 0; };
  const at::Tensor first = dropped(1);
  const auto share = [](const at::Tensor& mask) { return mask.to(at::kDouble).mean().item<double>(); };
  const double deviation = std::sqrt(0.25 * 0.75 / static_cast<double>(x.numel()));
  EXPECT_NEAR(share(first), 0.25, 4 * deviation);
  EXPECT_NEAR(share(first & dropped(2)), 0.0625, 4 * deviation);        // another seed
  EXPECT_NEAR(share(first & first.roll(1, 3)), 0.0625, 4 * deviation);  // the next column
  EXPECT_NEAR(share(first & first.roll(1, 2)), 0.0625, 4 * deviation);  // the next row
  EXPECT_NEAR(share(first & first.roll(1, 1)), 0.0625, 4 * deviation);  // the next channel
  EXPECT_TRUE(at::equal(first, dropped(1)));
}

TEST_P(NormPool, GivesTheSameDropoutOnAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  const at::Tensor x = (noise_tensor({3, set_.num_lanes, 16, 16}, 1) + 2).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<at::Tensor> outs;
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    outs.push_back(norm_pool(x, nullptr, 2, 0.5, training_pass(3), set_));
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(outs[0], outs[1]));
  EXPECT_TRUE(at::equal(outs[0], outs[2]));
}

TEST(Workspace, GivesMemoryAgainThatCameBack) {
  const Workspace workspace;
  const void* first = nullptr;
  {
    const at::Tensor tensor = workspace.take({2, 3, 4, 5}, at::kFloat, at::MemoryFormat::ChannelsLast);
    first = tensor.const_data_ptr();
    EXPECT_TRUE(tensor.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_NE(workspace.take({500}).const_data_ptr(), first);
  }
  EXPECT_EQ(workspace.take({110}).const_data_ptr(), first);
}

TEST(Workspace, ForgetsSizesThatAreAskedForNoMore) {
  const Workspace workspace;
  size_t largest = 0;
  for (int64_t size = 1000; size > 1; size = size * 2 / 5) {  // none serves the next, which wants less than half
    const at::Tensor tensor = workspace.take({size});
    largest = std::max(largest, tensor.nbytes());
  }
  EXPECT_LE(workspace.size(), 2 * largest);
  for (int64_t size = 1000; size < 5'000'000; size = size * 5 / 2) {
    const at::Tensor tensor = workspace.take({size});
    EXPECT_LE(workspace.size(), 3 * tensor.nbytes()) << size;
  }
  EXPECT_GT(workspace.size(), 0U);
}

TEST(Workspace, MemoryOutlivesIt) {
  at::Tensor tensor;
  {
    const Workspace workspace;
    tensor = workspace.take({1000});
  }
  tensor.fill_(3);
  EXPECT_EQ(tensor.sum().item<double>(), 3000);
}

}  // namespace
}  // namespace siamaudio

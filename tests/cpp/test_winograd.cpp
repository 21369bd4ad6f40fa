// Winograd convolutions against at::conv2d and its gradients in float64, for every instruction set.
#include "model/winograd.h"

#include <ATen/Parallel.h>
#include <ATen/ops/all.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/kernels.h"
#include "simd/isa.h"
#include "tensors.h"

namespace siamaudio {
namespace {

constexpr double kOutputTolerance = 5e-6;
constexpr double kGradientTolerance = 5e-5;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Case {
  int64_t clips;
  int64_t in_channels;
  int64_t out_channels;
  Extent map;
  int64_t kernel;
  Extent padding;
};

std::string to_string(const Case& c) {
  return std::to_string(c.clips) + " x " + std::to_string(c.in_channels) + " -> " + std::to_string(c.out_channels) +
         ", " + to_string(c.map) + ", kernel " + std::to_string(c.kernel) + ", padding " + to_string(c.padding);
}

struct Tensors {
  at::Tensor x;
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor output_gradient;
};

at::Tensor channels_last(const at::Tensor& tensor) { return tensor.contiguous(at::MemoryFormat::ChannelsLast); }

/// Activations are positive, as after a ReLU; so sums do not average to nothing.
Tensors make_tensors(const Case& c) {
  const int64_t height = c.map.height + 2 * c.padding.height - c.kernel + 1;
  const int64_t width = c.map.width + 2 * c.padding.width - c.kernel + 1;
  return {.x = channels_last(at::relu(noise_tensor({c.clips, c.in_channels, c.map.height, c.map.width}, 1))),
          .weight = channels_last(noise_tensor({c.out_channels, c.in_channels, c.kernel, c.kernel}, 2)),
          .bias = noise_tensor({c.out_channels}, 3),
          .output_gradient = channels_last(noise_tensor({c.clips, c.out_channels, height, width}, 4))};
}

struct Results {
  at::Tensor output;
  at::Tensor x;
  at::Tensor weight;
  at::Tensor bias;

  std::vector<at::Tensor> all() const { return {output, x, weight, bias}; }
};

Results plain(const Tensors& t, const Case& c, at::ScalarType type) {
  const at::Tensor x = t.x.to(type);
  const at::Tensor weight = t.weight.to(type);
  const std::vector<int64_t> padding{c.padding.height, c.padding.width};
  Results results;
  results.output = at::conv2d(x, weight, t.bias.to(type), 1, padding);
  std::tie(results.x, results.weight, results.bias) =
      at::convolution_backward(t.output_gradient.to(type), x, weight, at::IntArrayRef{c.out_channels}, {1, 1}, padding,
                               {1, 1}, false, {0, 0}, 1, {true, true, true});
  return results;
}

Results winograd(const Kernels& kernels, const Tensors& t, const Case& c, const Workspace& workspace = Workspace()) {
  const auto gradients = winograd_weight_gradient(kernels, t.x, t.output_gradient, c.kernel, c.padding, workspace);
  return {.output = winograd_convolution(kernels, t.x, t.weight, t.bias, c.padding, workspace),
          .x = winograd_input_gradient(kernels, t.output_gradient, t.weight, c.map, c.padding, workspace),
          .weight = gradients.weight,
          .bias = gradients.bias};
}

/// L2 norm of the difference by that of what was expected.
double relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  return at::linalg_vector_norm(actual.to(at::kDouble) - expected).item<double>() /
         at::linalg_vector_norm(expected).item<double>();
}

void expect_equals_oracle(const Kernels& kernels, const Case& c) {
  SCOPED_TRACE(to_string(c) + ", lanes " + std::to_string(kernels.num_lanes));
  const Tensors tensors = make_tensors(c);
  const Results expected = plain(tensors, c, at::kDouble);
  const Results actual = winograd(kernels, tensors, c);
  EXPECT_LE(relative_error(actual.output, expected.output), kOutputTolerance);
  EXPECT_LE(relative_error(actual.x, expected.x), kGradientTolerance);
  EXPECT_LE(relative_error(actual.weight, expected.weight), kGradientTolerance);
  EXPECT_LE(relative_error(actual.bias, expected.bias), kGradientTolerance);
}

/// Calls check(kernels) for each instruction set of this processor.
template <typename Check>
void for_each_isa(const Check& check) {
  for (const Isa isa : usable_isas()) check(kernels(isa));
}

/// Torch's number of threads while it lives.
class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

TEST(Winograd, EqualsFloat64OnMapsOfAnySize) {
  for_each_isa([](const Kernels& kernels) {
    for (const int64_t kernel : {3, 5})
      for (const Extent map :
           {Extent{5, 5}, Extent{5, 8}, Extent{6, 19}, Extent{13, 7}, Extent{16, 32}, Extent{29, 30}})
        expect_equals_oracle(kernels, {3, 16, 16, map, kernel, {0, 0}});
  });
}

TEST(Winograd, EqualsFloat64WithAnyPadding) {
  for_each_isa([](const Kernels& kernels) {
    for (const int64_t kernel : {3, 5})
      for (int64_t top = 0; top < kernel; ++top)
        for (int64_t left = 0; left < kernel; ++left)
          expect_equals_oracle(kernels, {2, 16, 16, {6, 9}, kernel, {top, left}});
  });
}

TEST(Winograd, EqualsFloat64OnMapsSmallerThanATile) {
  for_each_isa([](const Kernels& kernels) {
    for (const int64_t kernel : {3, 5})
      for (const Extent map : {Extent{1, 1}, Extent{1, 6}, Extent{2, 3}, Extent{4, 1}})
        expect_equals_oracle(kernels, {2, 16, 16, map, kernel, {kernel / 2, kernel / 2}});
  });
}

TEST(Winograd, EqualsFloat64WithAnyChannels) {
  for_each_isa([](const Kernels& kernels) {
    const int64_t w = kernels.num_lanes;
    for (const int64_t kernel : {3, 5})
      for (const auto& [in, out] :
           std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 2}, {3, 1}, {2, 3}, {4, 5}, {7, 4}, {9, 8}, {5, 11}})
        expect_equals_oracle(kernels, {2, in * w, out * w, {9, 10}, kernel, {1, 1}});
  });
}

TEST(Winograd, EqualsFloat64OverManyBlocksOfTiles) {
  for_each_isa([](const Kernels& kernels) {
    expect_equals_oracle(kernels, {5, 64, 64, {22, 61}, 5, {0, 0}});
    expect_equals_oracle(kernels, {5, 64, 128, {16, 32}, 3, {1, 1}});
    expect_equals_oracle(kernels, {3, 128, 256, {8, 16}, 3, {1, 1}});
  });
}

TEST(Winograd, EqualsFloat64ForOneClip) {
  for_each_isa([](const Kernels& kernels) {
    expect_equals_oracle(kernels, {1, 64, 64, {29, 34}, 5, {0, 0}});
    expect_equals_oracle(kernels, {1, 32, 64, {4, 8}, 3, {1, 1}});
  });
}

TEST(Winograd, GradientsOverManyTilesStayAccurate) {
  const Threads threads(1);
  const Case c{16, 16, 16, {62, 213}, 5, {0, 0}};
  const Tensors t = make_tensors(c);
  const Results expected = plain(t, c, at::kDouble);
  for_each_isa([&](const Kernels& kernels) {
    const auto gradients = winograd_weight_gradient(kernels, t.x, t.output_gradient, c.kernel, c.padding);
    EXPECT_LE(relative_error(gradients.weight, expected.weight), 1e-5) << "lanes " << kernels.num_lanes;
    EXPECT_LE(relative_error(gradients.bias, expected.bias), 1e-5) << "lanes " << kernels.num_lanes;
  });
}

TEST(Winograd, BiasMayBeLeftOut) {
  const Case c{2, 16, 32, {9, 11}, 5, {2, 2}};
  const Tensors t = make_tensors(c);
  const at::Tensor expected = at::conv2d(t.x.to(at::kDouble), t.weight.to(at::kDouble), {}, 1, {2, 2});
  for_each_isa([&](const Kernels& kernels) {
    EXPECT_LE(relative_error(winograd_convolution(kernels, t.x, t.weight, {}, c.padding), expected), kOutputTolerance);
  });
}

TEST(Winograd, TakesWeightsAndGradientsInAnyOrderOfMemory) {
  const Case c{2, 16, 32, {9, 11}, 5, {2, 1}};
  const Tensors t = make_tensors(c);
  Tensors moved = t;
  moved.weight = t.weight.contiguous();
  moved.output_gradient = t.output_gradient.contiguous();
  for_each_isa([&](const Kernels& kernels) {
    const auto expected = winograd(kernels, t, c).all();
    const auto actual = winograd(kernels, moved, c).all();
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(at::equal(actual[i], expected[i])) << i;
  });
}

TEST(Winograd, ThreadsGiveTheSameBitsEachTime) {
  const Case c{7, 64, 64, {21, 30}, 5, {0, 0}};
  const Tensors tensors = make_tensors(c);
  const Results expected = plain(tensors, c, at::kDouble);
  for_each_isa([&](const Kernels& kernels) {
    at::Tensor output;
    at::Tensor x;
    for (const int num_threads : {1, 2, 3}) {
      SCOPED_TRACE(num_threads);
      const Threads threads(num_threads);
      const Results first = winograd(kernels, tensors, c);
      const Results second = winograd(kernels, tensors, c);
      for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(at::equal(first.all()[i], second.all()[i])) << i;
      EXPECT_LE(relative_error(first.weight, expected.weight), kGradientTolerance);
      EXPECT_LE(relative_error(first.bias, expected.bias), kGradientTolerance);
      if (num_threads == 1) {
        output = first.output;
        x = first.x;
      }
      EXPECT_TRUE(at::equal(first.output, output));
      EXPECT_TRUE(at::equal(first.x, x));
    }
  });
}

TEST(Winograd, IgnoresWhatItsMemoryHeldBefore) {
  const Case c{3, 64, 64, {13, 14}, 5, {0, 0}};
  const Tensors tensors = make_tensors(c);
  for_each_isa([&](const Kernels& kernels) {
    const auto expected = winograd(kernels, tensors, c).all();
    const Workspace workspace;
    winograd(kernels,
             {.x = tensors.x * kNan,
              .weight = tensors.weight,
              .bias = tensors.bias,
              .output_gradient = tensors.output_gradient * kNan},
             c, workspace);
    const auto actual = winograd(kernels, tensors, c, workspace).all();
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(at::equal(actual[i], expected[i])) << i;
  });
}

TEST(Winograd, NumbersThatAreNotFinitePassAsInThePlainSum) {
  const Case c{2, 16, 32, {11, 14}, 5, {1, 1}};
  for_each_isa([&](const Kernels& kernels) {
    for (const float number : {kNan, kInfinity, -kInfinity})
      for (const int which : {0, 1, 2, 3}) {
        SCOPED_TRACE(std::to_string(number) + " in tensor " + std::to_string(which));
        const Tensors t = make_tensors(c);
        if (which == 0) t.x[1][3][10][13] = number;
        if (which == 1) t.weight[7][2][0][4] = number;
        if (which == 2) t.bias[5] = number;
        if (which == 3) t.output_gradient[1][30][0][6] = number;
        const auto expected = plain(t, c, at::kFloat).all();
        const auto actual = winograd(kernels, t, c).all();
        for (size_t i = 0; i < expected.size(); ++i)
          EXPECT_TRUE(at::allclose(actual[i], expected[i], 1e-3, 1e-3, /*equal_nan=*/true)) << i;
      }
  });
}

TEST(Winograd, SumsThatOverflowAreThoseOfThePlainSum) {
  const Case c{1, 16, 16, {8, 8}, 5, {2, 2}};
  Tensors t = make_tensors(c);
  t.x = t.x * 1e38F;  // the points' differences overflow, the sums of products by small weights do not
  t.weight = t.weight * 1e-3F;
  for_each_isa([&](const Kernels& kernels) {
    const at::Tensor expected = at::conv2d(t.x, t.weight, t.bias, 1, {2, 2});
    EXPECT_TRUE(at::isfinite(expected).all().item<bool>());
    EXPECT_LE(relative_error(winograd_convolution(kernels, t.x, t.weight, t.bias, c.padding), expected.to(at::kDouble)),
              kOutputTolerance);
  });
}

TEST(WinogradServes, WhatTheKernelsCompute) {
  for_each_isa([](const Kernels& kernels) {
    const int64_t w = kernels.num_lanes;
    const auto x = [&](int64_t channels, int64_t height, int64_t width) {
      return channels_last(at::ones({2, channels, height, width}));
    };
    const auto serves = [&](const at::Tensor& input, int64_t filters, Extent kernel, Extent stride, Extent padding) {
      return winograd_serves(kernels, input, at::ones({filters, input.size(1), kernel.height, kernel.width}), stride,
                             padding);
    };
    const int64_t c = 16;
    EXPECT_TRUE(serves(x(c, 62, 213), c, {5, 5}, {1, 1}, {0, 0}));
    EXPECT_TRUE(serves(x(c, 16, 32), 2 * c, {3, 3}, {1, 1}, {1, 1}));
    EXPECT_FALSE(serves(x(w + 1, 16, 32), c, {3, 3}, {1, 1}, {1, 1})) << "channels";
    EXPECT_FALSE(serves(x(c, 16, 32), c + 1, {3, 3}, {1, 1}, {1, 1})) << "filters";
    EXPECT_FALSE(serves(x(c, 16, 32), c, {3, 5}, {1, 1}, {1, 1})) << "not square";
    EXPECT_FALSE(serves(x(c, 16, 32), c, {7, 7}, {1, 1}, {3, 3})) << "kernel size";
    EXPECT_FALSE(serves(x(c, 16, 32), c, {3, 3}, {1, 2}, {1, 1})) << "stride";
    EXPECT_FALSE(serves(x(c, 16, 32), c, {3, 3}, {1, 1}, {3, 1})) << "padding";
    EXPECT_FALSE(serves(x(c, 4, 32), c, {5, 5}, {1, 1}, {0, 0})) << "no outputs";
    EXPECT_FALSE(serves(x(c, 5, 5), c, {5, 5}, {1, 1}, {0, 0})) << "one output a tile";
    EXPECT_FALSE(serves(x(c, 16, 32).contiguous(), c, {3, 3}, {1, 1}, {1, 1})) << "channels first";
    EXPECT_FALSE(serves(x(c, 16, 32).to(at::kDouble), c, {3, 3}, {1, 1}, {1, 1})) << "double";
  });
}

}  // namespace
}  // namespace siamaudio

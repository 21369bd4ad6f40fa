#include "train/optimizers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "expect.h"
#include "tensors.h"

namespace siamaudio {
namespace {

constexpr OptimizerKind kKinds[] = {OptimizerKind::kSgd,  OptimizerKind::kRmsprop, OptimizerKind::kAdadelta,
                                    OptimizerKind::kAdam, OptimizerKind::kAdamw,   OptimizerKind::kNadam};

/// One parameter, one number at a time, from the published formulas.
class NaiveOptimizer {
 public:
  NaiveOptimizer(std::vector<double> initial, const OptimizerOptions& options, bool decays)
      : values(std::move(initial)), o_(options), decays_(decays), m_(values.size()), v_(values.size()) {}

  void step(const std::vector<double>& gradient, double lr) {
    ++t_;
    product_ *= momentum(t_);
    for (size_t i = 0; i < values.size(); ++i) values[i] += change(i, gradient[i], lr);
  }

  std::vector<double> values;

 private:
  double momentum(int t) const { return o_.beta_1 * (1 - 0.5 * std::pow(0.96, t)); }

  double change(size_t i, double g, double lr) {
    double& m = m_[i];
    double& v = v_[i];
    switch (o_.kind) {
      case OptimizerKind::kSgd:
        m = o_.momentum * m - lr * g;
        return o_.nesterov ? o_.momentum * m - lr * g : m;
      case OptimizerKind::kRmsprop:
        v = o_.rho * v + (1 - o_.rho) * g * g;
        return -lr * g / std::sqrt(v + o_.epsilon);
      case OptimizerKind::kAdadelta: {
        v = o_.rho * v + (1 - o_.rho) * g * g;
        const double step = std::sqrt(m + o_.epsilon) / std::sqrt(v + o_.epsilon) * g;
        m = o_.rho * m + (1 - o_.rho) * step * step;
        return -lr * step;
      }
      case OptimizerKind::kAdam:
      case OptimizerKind::kAdamw: {
        const double decay = decays_ && o_.kind == OptimizerKind::kAdamw ? -lr * o_.weight_decay * values[i] : 0;
        m = o_.beta_1 * m + (1 - o_.beta_1) * g;
        v = o_.beta_2 * v + (1 - o_.beta_2) * g * g;
        const double rate = lr * std::sqrt(1 - std::pow(o_.beta_2, t_)) / (1 - std::pow(o_.beta_1, t_));
        return decay - rate * m / (std::sqrt(v) + o_.epsilon);
      }
      case OptimizerKind::kNadam: {
        m = o_.beta_1 * m + (1 - o_.beta_1) * g;
        v = o_.beta_2 * v + (1 - o_.beta_2) * g * g;
        const double next = momentum(t_ + 1);
        const double ahead = next * m / (1 - product_ * next) + (1 - momentum(t_)) * g / (1 - product_);
        return -lr * ahead / (std::sqrt(v / (1 - std::pow(o_.beta_2, t_))) + o_.epsilon);
      }
    }
    return 0;
  }

  OptimizerOptions o_;
  bool decays_;
  std::vector<double> m_;  // mean gradient, velocity or mean squared step
  std::vector<double> v_;  // mean squared gradient
  double product_ = 1;
  int t_ = 0;
};

void set_gradient(const at::Tensor& parameter, const at::Tensor& gradient) { (parameter * gradient).sum().backward(); }

std::vector<OptimizerOptions> many_options() {
  std::vector<OptimizerOptions> all;
  for (const OptimizerKind kind : kKinds) {
    all.push_back({.kind = kind, .weight_decay = 0.1});
    all.push_back({.kind = kind,
                   .momentum = 0.9,
                   .nesterov = true,
                   .rho = 0.5,
                   .beta_1 = 0.5,
                   .beta_2 = 0.9,
                   .epsilon = 0.1,
                   .weight_decay = 0});
  }
  all.push_back({.kind = OptimizerKind::kSgd, .momentum = 0.9});
  all.push_back({.kind = OptimizerKind::kSgd, .nesterov = true});
  return all;
}

TEST(Optimizers, AgreeWithTheirFormulas) {
  for (const OptimizerOptions& options : many_options()) {
    for (const auto type : {at::kFloat, at::kDouble}) {
      const at::Tensor a = noise_tensor({3, 37}, 1).to(type).set_requires_grad(true);
      const at::Tensor b = noise_tensor({5}, 2).to(type).set_requires_grad(true);
      NaiveOptimizer expected_a(values(a), options, /*decays=*/true);
      NaiveOptimizer expected_b(values(b), options, /*decays=*/false);
      const auto optimizer = make_optimizer(options, {{"a", a}, {"b", b}});
      for (uint64_t step = 0; step < 20; ++step) {
        const double lr = 0.1 / static_cast<double>(step + 1);
        const at::Tensor gradient_a = noise_tensor({3, 37}, 10 + step).to(type);
        const at::Tensor gradient_b = noise_tensor({5}, 50 + step).to(type) * 1e-3;
        set_gradient(a, gradient_a);
        set_gradient(b, gradient_b);
        optimizer->step(lr);
        expected_a.step(values(gradient_a), lr);
        expected_b.step(values(gradient_b), lr);
        // float32: each of the 20 steps, up to 0.3 long, and each sum errs by about 1e-7.
        const double tolerance = type == at::kFloat ? 1e-5 : 1e-12;
        const std::string what =
            "kind " + std::to_string(static_cast<int>(options.kind)) + ", step " + std::to_string(step);
        expect_close(values(a), expected_a.values, tolerance, what);
        expect_close(values(b), expected_b.values, tolerance, what);
      }
    }
  }
}

TEST(Optimizers, AdamHasTheBitsOfTheFusedKernel) {
  const at::Tensor a = noise_tensor({3, 37}, 1).set_requires_grad(true);
  const at::Tensor b = noise_tensor({5}, 2).set_requires_grad(true);
  std::vector<at::Tensor> expected = {a.detach().clone(), b.detach().clone()};
  std::vector<at::Tensor> means = {at::zeros_like(expected[0]), at::zeros_like(expected[1])};
  std::vector<at::Tensor> variances = {at::zeros_like(expected[0]), at::zeros_like(expected[1])};
  const auto adam = make_optimizer({.lr = 1}, {{"a", a}, {"b", b}});
  for (uint64_t step = 0; step < 5; ++step) {
    std::vector<at::Tensor> gradients = {noise_tensor({3, 37}, 10 + step), noise_tensor({5}, 50 + step)};
    set_gradient(a, gradients[0]);
    set_gradient(b, gradients[1]);
    adam->step(3e-3);
    const at::Tensor count = make_tensor({static_cast<float>(step + 1)}, {});
    const double epsilon = 1e-7 / std::sqrt(1 - std::pow(0.999, static_cast<double>(step + 1)));
    at::_fused_adam_(expected, gradients, means, variances, {}, {count, count.clone()}, 3e-3, 0.9, 0.999, 0, epsilon,
                     false, false);
    EXPECT_TRUE(at::equal(a.detach(), expected[0]));
    EXPECT_TRUE(at::equal(b.detach(), expected[1]));
  }
}

TEST(Optimizers, ClearGradientsAndChangeValuesInPlace) {
  for (const OptimizerKind kind : kKinds) {
    const at::Tensor x = noise_tensor({2, 2}, 1).set_requires_grad(true);
    const void* place = x.const_data_ptr();
    const auto before = values(x);
    const auto optimizer = make_optimizer({.kind = kind}, {{"x", x}});
    set_gradient(x, noise_tensor({2, 2}, 2));
    optimizer->step(0.1);
    EXPECT_FALSE(x.grad().defined());
    EXPECT_EQ(x.const_data_ptr(), place);
    EXPECT_NE(values(x), before);
    EXPECT_TRUE(x.requires_grad());
    EXPECT_TRUE(x.is_leaf());
  }
}

TEST(Optimizers, LeaveAParameterWithoutGradientAlone) {
  for (const OptimizerKind kind : kKinds) {
    const at::Tensor used = noise_tensor({3}, 1).set_requires_grad(true);
    const at::Tensor unused = noise_tensor({3}, 2).set_requires_grad(true);
    const auto before = values(unused);
    const auto optimizer = make_optimizer({.kind = kind, .momentum = 0.9}, {{"used", used}, {"unused", unused}});
    for (int step = 0; step < 3; ++step) {
      set_gradient(used, noise_tensor({3}, 3));
      optimizer->step(0.1);
    }
    EXPECT_EQ(values(unused), before);
  }
}

TEST(Optimizers, DoNothingWithoutParameters) {
  for (const OptimizerKind kind : kKinds) EXPECT_NO_THROW(make_optimizer({.kind = kind}, {})->step(0.1));
}

TEST(Optimizers, ContinueFromTheirStateWithTheSameBits) {
  for (const OptimizerOptions& options : many_options()) {
    const at::Tensor x = noise_tensor({4, 3}, 1).set_requires_grad(true);
    const auto optimizer = make_optimizer(options, {{"layer.x", x}});
    const auto run = [](Optimizer& own, const at::Tensor& parameter, uint64_t first) {
      for (uint64_t step = first; step < first + 4; ++step) {
        set_gradient(parameter, noise_tensor({4, 3}, 10 + step));
        own.step(0.05);
      }
    };
    run(*optimizer, x, 0);
    NamedTensors state = copies(optimizer->state());
    std::reverse(state.begin(), state.end());  // by name, whatever the order
    const at::Tensor y = x.detach().clone().set_requires_grad(true);
    run(*optimizer, x, 4);

    const auto other = make_optimizer(options, {{"layer.x", y}});
    other->load_state(state);
    run(*other, y, 4);
    EXPECT_TRUE(at::equal(x.detach(), y.detach()));
    EXPECT_TRUE(same_bits(optimizer->state(), other->state()));
  }
}

TEST(Optimizers, NameTheirState) {
  const at::Tensor x = noise_tensor({4, 3}, 1).set_requires_grad(true);
  const auto names = [&](OptimizerKind kind) {
    std::vector<std::string> all;
    for (const auto& [name, tensor] : make_optimizer({.kind = kind, .momentum = 0.5}, {{"layer.x", x}})->state())
      all.push_back(name);
    return all;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(OptimizerKind::kSgd), Names{"layer.x.velocity"});
  EXPECT_EQ(names(OptimizerKind::kRmsprop), Names{"layer.x.mean_square"});
  EXPECT_EQ(names(OptimizerKind::kAdadelta), (Names{"layer.x.mean_square", "layer.x.mean_square_step"}));
  EXPECT_EQ(names(OptimizerKind::kAdam), (Names{"layer.x.mean", "layer.x.variance", "num_updates"}));
  EXPECT_EQ(names(OptimizerKind::kAdamw), (Names{"layer.x.mean", "layer.x.variance", "num_updates"}));
  EXPECT_EQ(names(OptimizerKind::kNadam),
            (Names{"layer.x.mean", "layer.x.variance", "num_updates", "momentum_product"}));
}

TEST(Optimizers, RejectAnotherState) {
  const auto make = [](at::IntArrayRef shape, const char* name) {
    return make_optimizer({}, {{name, noise_tensor(shape, 1).set_requires_grad(true)}});
  };
  const auto optimizer = make({2}, "x");
  const auto before = copies(optimizer->state());
  NamedTensors longer = copies(before);
  longer.emplace_back("more", longer[0].second);
  for (const NamedTensors& state : {make({3}, "x")->state(), make({2}, "y")->state(), longer, NamedTensors{}})
    EXPECT_EQ(rejected_parameter([&] { optimizer->load_state(state); }), "optimizer state");
  EXPECT_TRUE(same_bits(optimizer->state(), before));
}

TEST(Optimizers, NameTheOptionTheyReject) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::pair<const char*, OptimizerOptions> cases[] = {
      {"lr", {.lr = 0}},
      {"lr", {.lr = kNaN}},
      {"lr", {.lr = kInfinity}},
      {"momentum", {.momentum = 1}},
      {"rho", {.rho = -0.1}},
      {"beta_1", {.beta_1 = 1}},
      {"beta_2", {.beta_2 = kNaN}},
      {"epsilon", {.epsilon = 0}},
      {"weight_decay", {.weight_decay = -1}},
      {"clip_norm", {.clip_norm = -1}},
      {"moving_average", {.moving_average = 1}},
      {"warmup", {.schedule = {.warmup = 1}}},
  };
  for (const auto& [name, options] : cases)
    EXPECT_EQ(rejected_parameter([&options = options] { make_optimizer(options, {}); }), name);
  EXPECT_EQ(rejected_parameter([] { parse_optimizer("Adam"); }), "optimizer");
}

TEST(ClipGradients, ScalesAllToTheNorm) {
  for (const double max_norm : {1e-3, 1.0, 100.0}) {
    const at::Tensor a = noise_tensor({3, 4}, 1).set_requires_grad(true);
    const at::Tensor b = noise_tensor({5}, 2).set_requires_grad(true);
    const at::Tensor unused = noise_tensor({5}, 2).set_requires_grad(true);
    const at::Tensor gradient_a = noise_tensor({3, 4}, 3);
    const at::Tensor gradient_b = noise_tensor({5}, 4);
    set_gradient(a, gradient_a);
    set_gradient(b, gradient_b);
    double norm = 0;
    for (const at::Tensor& gradient : {gradient_a, gradient_b})
      for (const double value : values(gradient)) norm += value * value;
    norm = std::sqrt(norm);
    EXPECT_NEAR(clip_gradients({{"a", a}, {"unused", unused}, {"b", b}}, max_norm), norm, 1e-6);
    const double scale = std::min(1.0, max_norm / norm);
    expect_close(values(a.grad()), values(gradient_a * scale), 1e-7);
    expect_close(values(b.grad()), values(gradient_b * scale), 1e-7);
    EXPECT_FALSE(unused.grad().defined());
  }
}

TEST(ClipGradients, TakesNoneAndZero) {
  const at::Tensor x = noise_tensor({2}, 1).set_requires_grad(true);
  EXPECT_EQ(clip_gradients({{"x", x}}, 1), 0);
  set_gradient(x, noise_tensor({2}, 1) * 0);
  EXPECT_EQ(clip_gradients({{"x", x}}, 1), 0);
  EXPECT_EQ(values(x.grad()), (std::vector<double>{0, 0}));
}

}  // namespace
}  // namespace siamaudio

#include "train/optimizers.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "expect.h"
#include "tensors.h"

namespace siamaudio {
namespace {

/// Kingma and Ba 2015, algorithm 1, one number at a time.
class NaiveAdam {
 public:
  NaiveAdam(std::vector<double> initial, const AdamOptions& options)
      : values(std::move(initial)), options_(options), m_(values.size()), v_(values.size()) {}

  void step(const std::vector<double>& gradient) {
    const double rate = options_.learning_rate / (1 + options_.decay * t_);
    ++t_;
    for (size_t i = 0; i < values.size(); ++i) {
      m_[i] = options_.beta1 * m_[i] + (1 - options_.beta1) * gradient[i];
      v_[i] = options_.beta2 * v_[i] + (1 - options_.beta2) * gradient[i] * gradient[i];
      values[i] -= rate * m_[i] / (1 - std::pow(options_.beta1, t_)) /
                   (std::sqrt(v_[i] / (1 - std::pow(options_.beta2, t_))) + options_.epsilon);
    }
  }

  std::vector<double> values;

 private:
  AdamOptions options_;
  std::vector<double> m_;
  std::vector<double> v_;
  int t_ = 0;
};

void set_gradient(const at::Tensor& parameter, const at::Tensor& gradient) { (parameter * gradient).sum().backward(); }

TEST(Adam, AgreesWithTheAlgorithm) {
  for (const AdamOptions& options : {AdamOptions{}, AdamOptions{.learning_rate = 0.1, .decay = 0.5},
                                     AdamOptions{.learning_rate = 0.01, .beta1 = 0.5, .beta2 = 0.9, .epsilon = 0.1}}) {
    for (const auto type : {at::kFloat, at::kDouble}) {
      const at::Tensor a = noise_tensor({3, 37}, 1).to(type).set_requires_grad(true);
      const at::Tensor b = noise_tensor({1}, 2).to(type).set_requires_grad(true);
      NaiveAdam expected_a(values(a), options);
      NaiveAdam expected_b(values(b), options);
      Adam adam({a, b}, options);
      for (uint64_t step = 0; step < 20; ++step) {
        const at::Tensor gradient_a = noise_tensor({3, 37}, 10 + step).to(type);
        const at::Tensor gradient_b = noise_tensor({1}, 50 + step).to(type) * 1e-3;
        set_gradient(a, gradient_a);
        set_gradient(b, gradient_b);
        adam.step();
        expected_a.step(values(gradient_a));
        expected_b.step(values(gradient_b));
        // float32: each of the 20 steps, up to 0.1 long, and each sum errs by about 1e-7.
        const double tolerance = type == at::kFloat ? 5e-6 : 1e-12;
        expect_close(values(a), expected_a.values, tolerance, "step " + std::to_string(step));
        expect_close(values(b), expected_b.values, tolerance, "step " + std::to_string(step));
      }
    }
  }
}

TEST(Adam, LowersItsRateInInverseTime) {
  const at::Tensor x = noise_tensor({2}, 1).set_requires_grad(true);
  Adam adam({x}, {.learning_rate = 0.3, .decay = 0.25});
  for (int step = 0; step < 5; ++step) {
    EXPECT_DOUBLE_EQ(adam.learning_rate(), 0.3 / (1 + 0.25 * step));
    set_gradient(x, noise_tensor({2}, 2));
    adam.step();
  }
}

TEST(Adam, ClearsGradientsAndChangesValuesInPlace) {
  const at::Tensor x = noise_tensor({2}, 1).set_requires_grad(true);
  const void* place = x.const_data_ptr();
  const auto before = values(x);
  Adam adam({x}, {});
  set_gradient(x, noise_tensor({2}, 2));
  adam.step();
  EXPECT_FALSE(x.grad().defined());
  EXPECT_EQ(x.const_data_ptr(), place);
  EXPECT_NE(values(x), before);
  EXPECT_TRUE(x.requires_grad());
  EXPECT_TRUE(x.is_leaf());
}

}  // namespace
}  // namespace siamaudio

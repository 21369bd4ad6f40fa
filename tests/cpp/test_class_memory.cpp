#include "train/class_memory.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "expect.h"
#include "tensors.h"

namespace siamaudio {
namespace {

const at::TensorOptions kDoubles(at::kDouble);

TEST(ClassMemory, MovesTowardsTheMeansAsTheScheduleSays) {
  const at::Tensor labels = at::tensor({2, 0, 2, 2}, at::kLong);  // class 1 is absent
  for (const MemorySchedule schedule : {MemorySchedule::kText, MemorySchedule::kCode}) {
    ClassMemory memory(3, 2, kDoubles);
    std::vector<double> expected(6, 0.0);
    for (int64_t epoch = 0; epoch < 5; ++epoch) {
      const at::Tensor embeddings = noise_tensor({4, 2}, static_cast<uint64_t>(epoch)).to(at::kDouble);
      memory.update(embeddings, labels, schedule, epoch, 5);
      const auto e = values(embeddings);
      const double progress = static_cast<double>(epoch) / 5;
      const double share = epoch == 0 ? 1 : schedule == MemorySchedule::kText ? 1 - progress : progress;
      for (size_t k = 0; k < 2; ++k) {
        expected[k] += share * (e[2 + k] - expected[k]);
        expected[4 + k] += share * ((e[k] + e[4 + k] + e[6 + k]) / 3 - expected[4 + k]);
      }
      expect_close(values(named(memory.state(), "memory")), expected, 1e-12, "epoch " + std::to_string(epoch));
      EXPECT_EQ(values(named(memory.state(), "is_set")), (std::vector<double>{1, 0, 1}));
    }
  }
}

TEST(ClassMemory, LossIsTheMeanDistance) {
  ClassMemory memory(3, 2, kDoubles);
  const at::Tensor labels = at::tensor({0, 1, 2, 0}, at::kLong);
  const at::Tensor embeddings = noise_tensor({4, 2}, 1).to(at::kDouble).set_requires_grad(true);
  EXPECT_EQ(memory.loss(embeddings, labels).item<double>(), 0);  // nothing is stored yet

  const at::Tensor stored = noise_tensor({2, 2}, 2).to(at::kDouble);
  memory.update(stored, at::tensor({0, 1}, at::kLong), MemorySchedule::kText, 0, 5);
  const auto m = values(stored);
  const auto e = values(embeddings);
  const auto distance = [&](size_t clip, size_t cls) {
    return std::hypot(e[2 * clip] - m[2 * cls], e[2 * clip + 1] - m[2 * cls + 1]);
  };
  const at::Tensor loss = memory.loss(embeddings, labels);
  EXPECT_NEAR(loss.item<double>(), (distance(0, 0) + distance(1, 1) + distance(3, 0)) / 4, 1e-12);

  loss.backward();  // along the unit vector to the memory; none for class 2
  std::vector<double> expected(8, 0.0);
  for (const auto& [clip, cls] : {std::pair<size_t, size_t>{0, 0}, {1, 1}, {3, 0}})
    for (size_t k = 0; k < 2; ++k)
      expected[2 * clip + k] = (e[2 * clip + k] - m[2 * cls + k]) / distance(clip, cls) / 4;
  expect_close(values(embeddings.grad()), expected, 1e-12);
}

TEST(ClassMemory, HasAFiniteGradientAtTheMemory) {
  ClassMemory memory(1, 2, kDoubles);
  const at::Tensor embeddings = noise_tensor({1, 2}, 1).to(at::kDouble).set_requires_grad(true);
  const at::Tensor labels = at::tensor({0}, at::kLong);
  memory.update(embeddings, labels, MemorySchedule::kText, 0, 5);
  memory.loss(embeddings, labels).backward();
  EXPECT_EQ(values(embeddings.grad()), (std::vector<double>{0, 0}));
}

TEST(ClassMemory, ComesBackFromItsState) {
  ClassMemory memory(2, 3, kDoubles);
  memory.update(noise_tensor({2, 3}, 1).to(at::kDouble), at::tensor({0, 1}, at::kLong), MemorySchedule::kCode, 0, 2);
  ClassMemory other(2, 3, kDoubles);
  other.load_state(copies(memory.state()));
  EXPECT_TRUE(same_bits(memory.state(), other.state()));
  ClassMemory larger(3, 3, kDoubles);
  EXPECT_EQ(rejected_parameter([&] { larger.load_state(memory.state()); }), "class memory");
}

}  // namespace
}  // namespace siamaudio

#include "train/schedules.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "expect.h"
#include "tensors.h"

namespace siamaudio {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// keras.optimizers.schedules.CosineDecay, from its documentation; `alpha` is the share at the end.
double keras_cosine_decay(double step, double target, double decay_steps, double warmup_steps, double alpha) {
  if (step < warmup_steps) return target * step / warmup_steps;  // from 0
  const double now = std::min(step - warmup_steps, decay_steps);
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * now / decay_steps));
  return target * ((1 - alpha) * cosine + alpha);
}

TEST(Schedule, CosineIsKeras) {
  for (const double final : {0.0, 0.1, 2.0}) {
    for (const double warmup : {0.0, 0.1, 0.5}) {
      const ScheduleOptions options{.kind = ScheduleKind::kCosine, .warmup = warmup, .final = final};
      const int64_t total = 40;
      const double warmup_steps = warmup * 40;
      for (int64_t step = 0; step <= total + 3; ++step) {
        // In the warm-up one step ahead of Keras, whose first step has a rate of 0.
        const auto keras_step = static_cast<double>(step) + (static_cast<double>(step) < warmup_steps ? 1 : 0);
        const double expected = keras_step == warmup_steps && warmup > 0
                                    ? 0.3
                                    : keras_cosine_decay(keras_step, 0.3, 40 - warmup_steps, warmup_steps, final);
        EXPECT_NEAR(scheduled_lr(options, 0.3, step, total), expected, 1e-15) << step;
      }
    }
  }
}

TEST(Schedule, CosineIsPositiveFromTheFirstStepToTheLast) {
  for (const int64_t total : {1, 2, 3, 10, 1001}) {
    const ScheduleOptions options{.kind = ScheduleKind::kCosine};
    for (int64_t step = 0; step < total; ++step) {
      const double lr = scheduled_lr(options, 0.3, step, total);
      EXPECT_GT(lr, 0) << step << " of " << total;
      EXPECT_LE(lr, 0.3) << step << " of " << total;
    }
    EXPECT_EQ(scheduled_lr(options, 0.3, total, total), 0);
  }
}

TEST(Schedule, InverseTimeDecayIsKerassFormerDecay) {
  const ScheduleOptions options{.kind = ScheduleKind::kInverseTimeDecay, .decay = 0.25};
  for (int64_t step = 0; step < 5; ++step)
    EXPECT_DOUBLE_EQ(scheduled_lr(options, 0.3, step, 5), 0.3 / (1 + 0.25 * static_cast<double>(step)));
}

TEST(Schedule, OthersAreConstant) {
  for (const ScheduleKind kind : {ScheduleKind::kConstant, ScheduleKind::kReduceOnPlateau})
    for (const int64_t step : {0, 1, 99}) EXPECT_EQ(scheduled_lr({.kind = kind, .decay = 1}, 0.3, step, 100), 0.3);
}

/// keras.callbacks.ReduceLROnPlateau, mode "max", min_delta 0, cooldown 0: the rate after each value.
std::vector<double> keras_plateau(const std::vector<double>& values, double lr, const ScheduleOptions& options) {
  std::vector<double> rates;
  double best = -std::numeric_limits<double>::infinity();
  int64_t wait = 0;
  for (const double value : values) {
    if (value > best) {
      best = value;
      wait = 0;
    } else {
      ++wait;
      if (wait >= options.patience) {
        if (lr > options.min_lr) lr = std::max(lr * options.factor, options.min_lr);
        wait = 0;
      }
    }
    rates.push_back(lr);
  }
  return rates;
}

TEST(Plateau, IsKeras) {
  const std::vector<double> seen = {0.1, 0.3, 0.3, 0.2, 0.4, kNaN, 0.3, 0.4, 0.1, 0.2, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0};
  for (const int64_t patience : {1, 2, 3}) {
    for (const double min_lr : {0.0, 0.02, 0.3, 1.0}) {
      const ScheduleOptions options{
          .kind = ScheduleKind::kReduceOnPlateau, .factor = 0.5, .patience = patience, .min_lr = min_lr};
      Plateau plateau(options);
      std::vector<double> rates;
      for (const double value : seen) {
        plateau.observe(value, 0.3);
        rates.push_back(0.3 * plateau.scale());
      }
      expect_close(rates, keras_plateau(seen, 0.3, options), 1e-15);
    }
  }
}

TEST(Plateau, ContinuesFromItsState) {
  const ScheduleOptions options{.kind = ScheduleKind::kReduceOnPlateau, .factor = 0.3, .patience = 2};
  Plateau whole(options);
  for (const double value : {0.5, 0.4, 0.3, 0.6, 0.1}) whole.observe(value, 0.1);
  Plateau other(options);
  other.load_state(copies(whole.state()));
  EXPECT_EQ(other.scale(), whole.scale());
  for (const double value : {0.55, 0.7, 0.1, 0.1, 0.1}) {
    whole.observe(value, 0.1);
    other.observe(value, 0.1);
    EXPECT_EQ(other.scale(), whole.scale());
  }
  EXPECT_EQ(rejected_parameter([&] { other.load_state({}); }), "plateau");
}

TEST(Plateau, OfOtherSchedulesStaysAtOne) {
  Plateau plateau({.kind = ScheduleKind::kCosine, .patience = 1});
  for (const double value : {0.5, 0.4, 0.3}) plateau.observe(value, 0.1);
  EXPECT_EQ(plateau.scale(), 1);
}

TEST(Schedule, NamesTheOptionThatItRejects) {
  const std::pair<const char*, ScheduleOptions> cases[] = {
      {"decay", {.decay = -0.1}},   {"decay", {.decay = kNaN}},    {"warmup", {.warmup = 1}},
      {"warmup", {.warmup = -0.1}}, {"final", {.final = kNaN}},    {"factor", {.factor = 0}},
      {"factor", {.factor = 1}},    {"patience", {.patience = 0}}, {"min_lr", {.min_lr = -1.0}},
  };
  for (const auto& [name, options] : cases)
    EXPECT_EQ(rejected_parameter([&options = options] { check(options); }), name);
  EXPECT_NO_THROW(check({}));
  EXPECT_EQ(parse_schedule("cosine"), ScheduleKind::kCosine);
  EXPECT_EQ(rejected_parameter([] { parse_schedule("step"); }), "schedule");
}

}  // namespace
}  // namespace siamaudio

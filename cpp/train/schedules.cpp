#include "train/schedules.h"

#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/errors.h"
#include "model/copy_values.h"

namespace siamaudio {

ScheduleKind parse_schedule(const std::string& name) {
  if (name == "constant") return ScheduleKind::kConstant;
  if (name == "inverse_time_decay") return ScheduleKind::kInverseTimeDecay;
  if (name == "cosine") return ScheduleKind::kCosine;
  if (name == "reduce_on_plateau") return ScheduleKind::kReduceOnPlateau;
  throw ParameterError("schedule", name, "'constant', 'inverse_time_decay', 'cosine' or 'reduce_on_plateau'");
}

void check(const ScheduleOptions& options) {
  const auto require = [](bool holds, const char* name, auto value, const char* accepted) {
    if (!holds) throw ParameterError(name, std::to_string(value), accepted);
  };
  const auto is_0_or_more = [](double value) { return value >= 0 && std::isfinite(value); };
  require(is_0_or_more(options.decay), "decay", options.decay, "a finite number, 0 or more");
  require(options.warmup >= 0 && options.warmup < 1, "warmup", options.warmup, "0 or more, below 1");
  require(is_0_or_more(options.final), "final", options.final, "a finite number, 0 or more");
  require(options.factor > 0 && options.factor < 1, "factor", options.factor, "a number between 0 and 1");
  require(options.patience >= 1, "patience", options.patience, "1 or more epochs");
  require(is_0_or_more(options.min_lr), "min_lr", options.min_lr, "a finite number, 0 or more");
}

double scheduled_lr(const ScheduleOptions& options, double base_lr, int64_t step, int64_t total_steps) {
  switch (options.kind) {
    case ScheduleKind::kConstant:
    case ScheduleKind::kReduceOnPlateau:
      return base_lr;
    case ScheduleKind::kInverseTimeDecay:
      return base_lr / (1 + options.decay * static_cast<double>(step));
    case ScheduleKind::kCosine: {
      const auto now = static_cast<double>(step);
      const auto total = static_cast<double>(total_steps);
      const double warmup_steps = std::floor(options.warmup * total);
      if (now < warmup_steps) return base_lr * (now + 1) / warmup_steps;
      const double progress = std::min((now - warmup_steps) / (total - warmup_steps), 1.0);
      const double height = 0.5 * (1 + std::cos(std::numbers::pi * progress));
      return base_lr * (options.final + (1 - options.final) * height);
    }
  }
  return base_lr;
}

void Plateau::observe(double value, double base_lr) {
  if (options_.kind != ScheduleKind::kReduceOnPlateau) return;
  if (value > best_) {
    best_ = value;
    num_worse_ = 0;
    return;
  }
  if (++num_worse_ < options_.patience) return;
  num_worse_ = 0;
  scale_ = std::min(scale_, std::max(scale_ * options_.factor, options_.min_lr / base_lr));
}

NamedTensors Plateau::state() const {
  return {{"best", at::scalar_tensor(best_, at::kDouble)},
          {"num_worse", at::scalar_tensor(num_worse_, at::kDouble)},
          {"scale", at::scalar_tensor(scale_, at::kDouble)}};
}

void Plateau::load_state(const NamedTensors& state) {
  const NamedTensors values = this->state();
  copy_values(values, state, "plateau");
  best_ = values[0].second.item<double>();
  num_worse_ = values[1].second.item<int64_t>();
  scale_ = values[2].second.item<double>();
}

}  // namespace siamaudio

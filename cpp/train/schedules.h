// How the learning rate changes in training.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "model/named_tensors.h"

namespace siamaudio {

enum class ScheduleKind {
  kConstant,
  kInverseTimeDecay,  ///< lr / (1 + decay × step)
  kCosine,            ///< linear warm-up to lr, then half a cosine down to final
  kReduceOnPlateau,   ///< lr × factor each time that validation stands still; see Plateau
};

/// "constant", "inverse_time_decay", "cosine" or "reduce_on_plateau". Throws ParameterError.
ScheduleKind parse_schedule(const std::string& name);

struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::kConstant;
  double decay = 0;      ///< >= 0 (inverse time decay), per step
  double warmup = 0.1;   ///< [0, 1): share of all steps in which lr rises in a line (cosine)
  double final = 0;      ///< >= 0: rate at the end, as a share of lr (cosine)
  double factor = 0.1;   ///< (0, 1) (reduce on plateau)
  int64_t patience = 5;  ///< >= 1, epochs without a better validation before the rate is reduced (reduce on plateau)
  double min_lr = 0;     ///< >= 0: the rate is not reduced below it (reduce on plateau)
};

/// Throws ParameterError where a number is out of its range.
void check(const ScheduleOptions& options);

/// The rate of step `step` (from 0) of `total_steps`. For kReduceOnPlateau base_lr itself: a Plateau's
/// scale() comes on top.
double scheduled_lr(const ScheduleOptions& options, double base_lr, int64_t step, int64_t total_steps);

/// What kReduceOnPlateau multiplies the rate by. Keras's ReduceLROnPlateau with min_delta 0 and no cooldown.
class Plateau {
 public:
  explicit Plateau(const ScheduleOptions& options) : options_(options) {}

  /// After an epoch: the validation accuracy, or where there is none minus the loss; higher is better. NaN is never
  /// better. Other schedules are left alone.
  void observe(double value, double base_lr);

  /// What the rate of the next steps is multiplied by.
  double scale() const { return scale_; }

  /// Numbers as 0-d float64 tensors on the CPU: "best", "num_worse", "scale".
  NamedTensors state() const;
  void load_state(const NamedTensors& state);

 private:
  ScheduleOptions options_;
  double best_ = -std::numeric_limits<double>::infinity();
  int64_t num_worse_ = 0;  // epochs since the best
  double scale_ = 1;
};

}  // namespace siamaudio

// Optimizers over the parameters of a network.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/named_tensors.h"
#include "train/schedules.h"

namespace siamaudio {

/// By Keras 3's formulas; lr is the rate given to step(), g the gradient, w the parameter.
enum class OptimizerKind {
  kSgd,       ///< m ← momentum m - lr g; w += m, with Nesterov's momentum w += momentum m - lr g
  kRmsprop,   ///< v ← rho v + (1 - rho) g²; w -= lr g / √(v + epsilon)
  kAdadelta,  ///< Zeiler 2012: the step is the root mean square of past steps over that of the gradients, times lr
  kAdam,      ///< Kingma and Ba 2015, the form at the end of section 2: epsilon beside the root before its bias is
              ///< corrected
  kAdamw,     ///< Adam; before it w -= lr weight_decay w for parameters of two or more dimensions
  kNadam,     ///< Dozat 2016 with its momentum schedule beta_1 (1 - 0.5 × 0.96^t)
};

/// "sgd", "rmsprop", "adadelta", "adam", "adamw" or "nadam". Throws ParameterError.
OptimizerKind parse_optimizer(const std::string& name);

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdam;
  double lr = 1e-3;            ///< > 0, before the schedule
  double momentum = 0;         ///< [0, 1) (SGD)
  bool nesterov = false;       ///< (SGD)
  double rho = 0.9;            ///< [0, 1): decay of the mean squares (RMSprop, Adadelta)
  double beta_1 = 0.9;         ///< [0, 1): decay of the mean gradient (Adam, AdamW, Nadam)
  double beta_2 = 0.999;       ///< [0, 1): decay of the mean squared gradient (Adam, AdamW, Nadam)
  double epsilon = 1e-7;       ///< > 0, Keras's default
  double weight_decay = 0;     ///< >= 0 (AdamW); biases and batch norm, the parameters of one dimension, do not decay
  double clip_norm = 0;        ///< >= 0: longest gradient of all parameters together, see clip_gradients(); 0: any
  double moving_average = 0;   ///< [0, 1): decay of the moving average of the weights, see MovingAverage; 0: none
  ScheduleOptions schedule{};  ///< of lr
};

/// Throws ParameterError where a number is out of its range.
void check(const OptimizerOptions& options);

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update of the parameters, in place, from the gradients that backward() left, which it then clears. A parameter
  /// without a gradient is taken to have a gradient of 0.
  void step(double lr);

  /// `<parameter>.<slot>`, and 0-d tensors for single numbers: the optimizer's own tensors, in a fixed order.
  virtual NamedTensors state() const = 0;

  /// Values of another optimizer's state(), after which both continue with the same bits. Throws ParameterError where
  /// names or shapes differ.
  void load_state(const NamedTensors& state);

 protected:
  explicit Optimizer(const NamedTensors& parameters);

  /// Changes the parameters, and may change `gradients`; no graph is recorded.
  virtual void update(const std::vector<at::Tensor>& gradients, double lr) = 0;

  /// Zeros like the parameters, one each.
  std::vector<at::Tensor> make_slots() const;

  /// Appends a slot's tensors under their parameters' names.
  void append_slots(NamedTensors& state, const char* slot, const std::vector<at::Tensor>& tensors) const;

  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_;
};

/// Uses kind, the factors of that kind, and nothing of clip_norm, moving_average and schedule.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, const NamedTensors& parameters);

/// Scales all gradients by the same factor so that their Euclidean norm, taken together, is at most max_norm (> 0).
/// Returns the norm before. Waits for the device.
double clip_gradients(const NamedTensors& parameters, double max_norm);

}  // namespace siamaudio

#include "train/optimizers.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "base/errors.h"
#include "model/copy_values.h"

namespace siamaudio {

using Tensors = std::vector<at::Tensor>;

OptimizerKind parse_optimizer(const std::string& name) {
  if (name == "sgd") return OptimizerKind::kSgd;
  if (name == "rmsprop") return OptimizerKind::kRmsprop;
  if (name == "adadelta") return OptimizerKind::kAdadelta;
  if (name == "adam") return OptimizerKind::kAdam;
  if (name == "adamw") return OptimizerKind::kAdamw;
  if (name == "nadam") return OptimizerKind::kNadam;
  throw ParameterError("optimizer", name, "'sgd', 'rmsprop', 'adadelta', 'adam', 'adamw' or 'nadam'");
}

void check(const OptimizerOptions& options) {
  const auto require = [](bool holds, const char* name, double value, const char* accepted) {
    if (!holds) throw ParameterError(name, std::to_string(value), accepted);
  };
  const auto require_decay = [&](const char* name, double value) {
    require(value >= 0 && value < 1, name, value, "0 or more, below 1");
  };
  const auto is_0_or_more = [](double value) { return value >= 0 && std::isfinite(value); };
  const auto is_positive = [](double value) { return value > 0 && std::isfinite(value); };
  require(is_positive(options.lr), "lr", options.lr, "a finite number above 0");
  require_decay("momentum", options.momentum);
  require_decay("rho", options.rho);
  require_decay("beta_1", options.beta_1);
  require_decay("beta_2", options.beta_2);
  require(is_positive(options.epsilon), "epsilon", options.epsilon, "a finite number above 0");
  require(is_0_or_more(options.weight_decay), "weight_decay", options.weight_decay, "a finite number, 0 or more");
  require(is_0_or_more(options.clip_norm), "clip_norm", options.clip_norm, "a finite number above 0, or none");
  require_decay("moving_average", options.moving_average);
  check(options.schedule);
}

Optimizer::Optimizer(const NamedTensors& parameters) {
  for (const auto& [name, parameter] : parameters) {
    names_.push_back(name);
    parameters_.push_back(parameter);
  }
}

void Optimizer::step(double lr) {
  if (parameters_.empty()) return;  // the kernels want at least one
  const at::NoGradGuard no_grad;
  Tensors gradients;
  for (const auto& parameter : parameters_) {
    const at::Tensor& gradient = parameter.grad();
    gradients.push_back(gradient.defined() ? gradient : at::zeros_like(parameter));
  }
  update(gradients, lr);
  for (const auto& parameter : parameters_) parameter.mutable_grad().reset();
}

void Optimizer::load_state(const NamedTensors& state) { copy_values(this->state(), state, "optimizer state"); }

Tensors Optimizer::make_slots() const {
  Tensors slots;
  for (const auto& parameter : parameters_) slots.push_back(at::zeros_like(parameter.detach()));
  return slots;
}

void Optimizer::append_slots(NamedTensors& state, const char* slot, const Tensors& tensors) const {
  for (size_t i = 0; i < names_.size(); ++i) state.emplace_back(names_[i] + "." + slot, tensors[i]);
}

namespace {

/// average ← rho average + (1 - rho) x²
void average_squares(const Tensors& averages, const Tensors& x, double rho) {
  at::_foreach_mul_(averages, rho);
  at::_foreach_addcmul_(averages, x, x, 1 - rho);
}

/// √(x + epsilon)
Tensors root_of(const Tensors& x, double epsilon) {
  Tensors roots = at::_foreach_add(x, epsilon);
  at::_foreach_sqrt_(roots);
  return roots;
}

class Sgd final : public Optimizer {
 public:
  Sgd(const OptimizerOptions& options, const NamedTensors& parameters)
      : Optimizer(parameters), momentum_(options.momentum), nesterov_(options.nesterov) {
    if (momentum_ > 0) velocities_ = make_slots();
  }

  NamedTensors state() const override {
    NamedTensors state;
    if (momentum_ > 0) append_slots(state, "velocity", velocities_);
    return state;
  }

 private:
  void update(const Tensors& gradients, double lr) override {
    if (momentum_ > 0) {
      at::_foreach_mul_(velocities_, momentum_);
      at::_foreach_add_(velocities_, gradients, -lr);
      at::_foreach_add_(parameters_, velocities_, nesterov_ ? momentum_ : 1.0);
    }
    if (momentum_ == 0 || nesterov_) at::_foreach_add_(parameters_, gradients, -lr);
  }

  double momentum_;
  bool nesterov_;
  Tensors velocities_;
};

class Rmsprop final : public Optimizer {
 public:
  Rmsprop(const OptimizerOptions& options, const NamedTensors& parameters)
      : Optimizer(parameters), rho_(options.rho), epsilon_(options.epsilon), squares_(make_slots()) {}

  NamedTensors state() const override {
    NamedTensors state;
    append_slots(state, "mean_square", squares_);
    return state;
  }

 private:
  void update(const Tensors& gradients, double lr) override {
    average_squares(squares_, gradients, rho_);
    at::_foreach_addcdiv_(parameters_, gradients, root_of(squares_, epsilon_), -lr);
  }

  double rho_;
  double epsilon_;
  Tensors squares_;  // mean of the gradients'
};

class Adadelta final : public Optimizer {
 public:
  Adadelta(const OptimizerOptions& options, const NamedTensors& parameters)
      : Optimizer(parameters),
        rho_(options.rho),
        epsilon_(options.epsilon),
        squares_(make_slots()),
        step_squares_(make_slots()) {}

  NamedTensors state() const override {
    NamedTensors state;
    append_slots(state, "mean_square", squares_);
    append_slots(state, "mean_square_step", step_squares_);
    return state;
  }

 private:
  void update(const Tensors& gradients, double lr) override {
    average_squares(squares_, gradients, rho_);
    Tensors steps = root_of(step_squares_, epsilon_);
    at::_foreach_div_(steps, root_of(squares_, epsilon_));
    at::_foreach_mul_(steps, gradients);
    average_squares(step_squares_, steps, rho_);
    at::_foreach_add_(parameters_, steps, -lr);
  }

  double rho_;
  double epsilon_;
  Tensors squares_;       // mean of the gradients'
  Tensors step_squares_;  // mean of the steps', before lr
};

/// Adam and AdamW by LibTorch's fused kernels.
class FusedAdam final : public Optimizer {
 public:
  FusedAdam(const OptimizerOptions& options, const NamedTensors& parameters)
      : Optimizer(parameters), options_(options), means_(make_slots()), variances_(make_slots()) {
    if (parameters_.empty()) return;
    num_updates_ = at::zeros({}, at::kFloat);
    for (size_t i = 0; i < parameters_.size(); ++i) {
      const bool decays = options.kind == OptimizerKind::kAdamw && parameters_[i].dim() >= 2;
      (decays ? decaying_ : plain_).push_back(i);
    }
  }

  NamedTensors state() const override {
    NamedTensors state;
    append_slots(state, "mean", means_);
    append_slots(state, "variance", variances_);
    if (num_updates_.defined()) state.emplace_back("num_updates", num_updates_);
    return state;
  }

 private:
  void update(const Tensors& gradients, double lr) override {
    num_updates_.add_(1);
    // Keras adds epsilon before it corrects the root's bias, the kernel after that.
    epsilon_ = options_.epsilon / std::sqrt(1 - std::pow(options_.beta_2, num_updates_.item<double>()));
    count_ = num_updates_.to(parameters_[0].device());
    update_part(plain_, gradients, lr, /*weight_decay=*/0);
    update_part(decaying_, gradients, lr, options_.weight_decay);
  }

  void update_part(const std::vector<size_t>& part, const Tensors& gradients, double lr, double weight_decay) {
    if (part.empty()) return;
    const auto chosen = [&](const Tensors& all) {
      Tensors tensors;
      for (const size_t i : part) tensors.push_back(all[i]);
      return tensors;
    };
    Tensors parameters = chosen(parameters_);
    Tensors part_gradients = chosen(gradients);
    Tensors means = chosen(means_);
    Tensors variances = chosen(variances_);
    const Tensors counts(part.size(), count_);  // the kernel wants one a parameter
    if (weight_decay > 0)
      at::_fused_adamw_(parameters, part_gradients, means, variances, {}, counts, lr, options_.beta_1, options_.beta_2,
                        weight_decay, epsilon_, /*amsgrad=*/false, /*maximize=*/false);
    else
      at::_fused_adam_(parameters, part_gradients, means, variances, {}, counts, lr, options_.beta_1, options_.beta_2,
                       /*weight_decay=*/0, epsilon_, /*amsgrad=*/false, /*maximize=*/false);
  }

  OptimizerOptions options_;
  Tensors means_;                 // of the gradients
  Tensors variances_;             // uncentred
  at::Tensor num_updates_;        // on the CPU
  at::Tensor count_;              // the same where the parameters are
  double epsilon_ = 0;            // of this step
  std::vector<size_t> plain_;     // indices of parameters without
  std::vector<size_t> decaying_;  // and with weight decay
};

class Nadam final : public Optimizer {
 public:
  Nadam(const OptimizerOptions& options, const NamedTensors& parameters)
      : Optimizer(parameters),
        beta_1_(options.beta_1),
        beta_2_(options.beta_2),
        epsilon_(options.epsilon),
        means_(make_slots()),
        variances_(make_slots()),
        num_updates_(at::zeros({}, at::kLong)),
        momentum_product_(at::ones({}, at::kDouble)) {}

  NamedTensors state() const override {
    NamedTensors state;
    append_slots(state, "mean", means_);
    append_slots(state, "variance", variances_);
    state.emplace_back("num_updates", num_updates_);
    state.emplace_back("momentum_product", momentum_product_);
    return state;
  }

 private:
  double momentum(double step) const { return beta_1_ * (1 - 0.5 * std::pow(0.96, step)); }

  void update(const Tensors& gradients, double lr) override {
    num_updates_.add_(1);
    const auto step = num_updates_.item<double>();
    const double now = momentum(step);
    const double next = momentum(step + 1);
    momentum_product_.mul_(now);
    const auto product = momentum_product_.item<double>();

    at::_foreach_lerp_(means_, gradients, 1 - beta_1_);
    average_squares(variances_, gradients, beta_2_);
    Tensors roots = at::_foreach_div(variances_, 1 - std::pow(beta_2_, step));
    at::_foreach_sqrt_(roots);
    at::_foreach_add_(roots, epsilon_);
    at::_foreach_addcdiv_(parameters_, means_, roots, -lr * next / (1 - product * next));
    at::_foreach_addcdiv_(parameters_, gradients, roots, -lr * (1 - now) / (1 - product));
  }

  double beta_1_;
  double beta_2_;
  double epsilon_;
  Tensors means_;                // of the gradients
  Tensors variances_;            // uncentred
  at::Tensor num_updates_;       // on the CPU, as is
  at::Tensor momentum_product_;  // of all momenta so far
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, const NamedTensors& parameters) {
  check(options);
  switch (options.kind) {
    case OptimizerKind::kSgd:
      return std::make_unique<Sgd>(options, parameters);
    case OptimizerKind::kRmsprop:
      return std::make_unique<Rmsprop>(options, parameters);
    case OptimizerKind::kAdadelta:
      return std::make_unique<Adadelta>(options, parameters);
    case OptimizerKind::kAdam:
    case OptimizerKind::kAdamw:
      return std::make_unique<FusedAdam>(options, parameters);
    case OptimizerKind::kNadam:
      return std::make_unique<Nadam>(options, parameters);
  }
  return nullptr;  // not reached
}

double clip_gradients(const NamedTensors& parameters, double max_norm) {
  const at::NoGradGuard no_grad;
  Tensors gradients;
  for (const auto& [name, parameter] : parameters)
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  if (gradients.empty()) return 0;
  const auto norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2)), 2).item<double>();
  if (norm > max_norm) at::_foreach_mul_(gradients, max_norm / norm);
  return norm;
}

}  // namespace siamaudio

#include "train/training_loop.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

#include "model/copy_values.h"
#include "model/init.h"
#include "train/moving_average.h"
#include "train/out_of_memory.h"
#include "train/snapshot.h"

namespace siamaudio {
namespace {

constexpr int64_t kCheckSteps = 50;  // from one Learner::check_learning() to the next
constexpr uint64_t kNoiseStream = 1;
constexpr uint64_t kAugmentStream = 2;

/// Those whose names start with `prefix` and a dot, without it.
NamedTensors under(const std::string& prefix, const NamedTensors& tensors) {
  NamedTensors found;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix + ".")) found.emplace_back(name.substr(prefix.size() + 1), tensor);
  return found;
}

/// The averaged weights in the place of the network's, for a scope.
class AveragedWeights {
 public:
  explicit AveragedWeights(std::optional<MovingAverage>& average) : average_(average) {
    if (average_) average_->swap();
  }
  ~AveragedWeights() {
    if (average_) average_->swap();
  }
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  std::optional<MovingAverage>& average_;
};

class TrainingLoop {
 public:
  TrainingLoop(Learner& learner, const LoopOptions& options, const FitListener& listener)
      : learner_(learner),
        options_(options),
        listener_(listener),
        gradients_(learner.parameters()),
        optimizer_(make_optimizer(options.optimizer, learner.parameters())),
        plateau_(options.optimizer.schedule),
        best_(learner.weights()),
        random_{.noise = make_generator(learner.device(), 0), .augment = make_generator(at::kCPU, 0)} {
    if (options.optimizer.moving_average > 0) average_.emplace(learner.weights());
    take_plan();
    planned_steps_ = options.epochs * steps_of_epoch();
  }

  void load(const TrainingState& state) {
    progress_ = state.progress;
    copy_values(learner_.weights(), under("best", state.tensors), "weights");
    best_.take();
    copy_values(learner_.weights(), under("network", state.tensors), "weights");
    optimizer_->load_state(under("optimizer", state.tensors));
    if (average_) average_->load_state(under("average", state.tensors));
    learner_.load_state(under("learner", state.tensors));
    plateau_.load_state(under("plateau", state.tensors));
    take_plan();
  }

  int64_t run() {
    try {
      while (!progress_.is_finished) run_epoch();
    } catch (...) {
      best_.restore();
      throw;
    }
    best_.restore();
    return progress_.best_epoch;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void run_epoch() {
    epoch_start_ =
        Clock::now() - std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(progress_.seconds));
    const int64_t num_steps = steps_of_epoch();
    while (progress_.step < num_steps) {
      const Batch& batch = next_batch();
      saying_what_needs_memory("a training step of " + std::to_string(batch.clips.size()) + " clips",
                               "lower " + learner_.batch_size_option(), learner_.device(), [&] { run_step(batch); });
      if (listener_.on_step)
        listener_.on_step({.epoch = progress_.epoch,
                           .step = progress_.step,
                           .num_steps = num_steps,
                           .loss = mean(progress_.loss_sum)});
      if (options_.checkpoint_every > 0 && progress_.total_steps % options_.checkpoint_every == 0) checkpoint();
    }
    end_epoch();
    if (progress_.is_finished && options_.checkpoint_every > 0) checkpoint();
  }

  int64_t steps_of_epoch() const {
    return options_.steps_per_epoch > 0 ? options_.steps_per_epoch : static_cast<int64_t>(plan_.size());
  }

  /// The sampler's epoch that progress_ names. It follows from the seed and its number alone, so a run that goes on has
  /// it again.
  void take_plan() {
    Random random(options_.seed, static_cast<uint64_t>(progress_.plan));
    plan_ = learner_.plan_epoch(random);
  }

  void next_plan() {
    ++progress_.plan;
    progress_.position = 0;
    take_plan();
  }

  const Batch& next_batch() {
    if (progress_.position == static_cast<int64_t>(plan_.size())) next_plan();
    return plan_[static_cast<size_t>(progress_.position++)];
  }

  void run_step(const Batch& batch) {
    const uint64_t step_seed = stream_seed(options_.seed, static_cast<uint64_t>(progress_.total_steps));
    random_.noise.set_current_seed(stream_seed(step_seed, kNoiseStream));
    random_.augment.set_current_seed(stream_seed(step_seed, kAugmentStream));

    const Learner::Value value = learner_.loss(batch, progress_.epoch, random_);
    value.loss.backward();
    if (progress_.position < static_cast<int64_t>(plan_.size()))  // as far as it is planned
      learner_.fetch_ahead(plan_[static_cast<size_t>(progress_.position)]);
    if (options_.optimizer.clip_norm > 0) clip_gradients(learner_.parameters(), options_.optimizer.clip_norm);
    optimizer_->step(lr(progress_.total_steps));
    if (average_) average_->update(options_.optimizer.moving_average);

    const double loss = value.loss.item<double>();  // waits for the device
    if (!std::isfinite(loss)) throw diverged("loss is", progress_.epoch);
    if (progress_.total_steps % kCheckSteps == 0) learner_.check_learning(batch, progress_.epoch);
    ++progress_.step;
    ++progress_.total_steps;
    progress_.loss_sum += loss;
    for (const auto& [name, term] : value.terms) progress_.term_sums[name] += term.item<double>();
    progress_.num_clips += value.num_clips;
    progress_.num_pairs += value.num_pairs;
    progress_.seconds = seconds();
  }

  void end_epoch() {
    // A last step may have broken the weights after its loss was still a number.
    for (const auto& [name, tensor] : learner_.weights())
      if (!at::isfinite(tensor).all().item<bool>()) throw diverged("weights are", progress_.epoch);
    learner_.end_epoch(progress_.epoch);

    const bool has_validation = learner_.validates();
    const bool is_last = progress_.epoch + 1 == options_.epochs;
    const bool validates = has_validation && (is_last || (progress_.epoch + 1) % options_.validation_freq == 0);
    EpochReport report{.epoch = progress_.epoch,
                       .loss = mean(progress_.loss_sum),
                       .terms = {},
                       .validation_score = std::numeric_limits<double>::quiet_NaN(),
                       .lr = lr(progress_.total_steps - 1),
                       .seconds = 0,
                       .num_clips = progress_.num_clips,
                       .num_pairs = progress_.num_pairs};
    for (const auto& [name, sum] : progress_.term_sums) report.terms[name] = mean(sum);
    bool goes_on = true;
    {
      const AveragedWeights averaged(average_);
      if (validates) report.validation_score = learner_.validation_score(progress_.epoch);
      const bool is_better = validates && (progress_.best_epoch < 0 || report.validation_score > progress_.best_score);
      if (is_better || !has_validation) {
        if (validates) progress_.best_score = report.validation_score;
        progress_.best_epoch = progress_.epoch;
        best_.take();
      }
      report.seconds = seconds();
      if (listener_.on_epoch) goes_on = listener_.on_epoch(report);
    }
    if (validates || !has_validation)
      plateau_.observe(validates ? report.validation_score : -report.loss, options_.optimizer.lr);
    const bool is_stale =
        has_validation && options_.patience > 0 && progress_.epoch - progress_.best_epoch >= options_.patience;
    progress_.is_finished = is_last || is_stale || !goes_on;
    ++progress_.epoch;
    progress_.step = progress_.num_clips = progress_.num_pairs = 0;
    progress_.loss_sum = progress_.seconds = 0;
    progress_.term_sums.clear();
    if (!progress_.is_finished && options_.steps_per_epoch == 0) next_plan();
  }

  double lr(int64_t step) const {
    const OptimizerOptions& optimizer = options_.optimizer;
    return scheduled_lr(optimizer.schedule, optimizer.lr, step, planned_steps_) * plateau_.scale();
  }

  void checkpoint() {
    if (!listener_.on_checkpoint) return;
    TrainingState state;
    state.progress = progress_;
    append(state.tensors, "network", learner_.weights());
    append(state.tensors, "best", best_.values());
    append(state.tensors, "optimizer", optimizer_->state());
    if (average_) append(state.tensors, "average", average_->state());
    append(state.tensors, "learner", learner_.state());
    append(state.tensors, "plateau", plateau_.state());
    listener_.on_checkpoint(state);
  }

  double mean(double sum) const { return sum / static_cast<double>(std::max<int64_t>(1, progress_.step)); }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - epoch_start_).count(); }

  Learner& learner_;
  const LoopOptions& options_;
  const FitListener& listener_;
  RequireGradients gradients_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<MovingAverage> average_;
  Plateau plateau_;
  Snapshot best_;
  StepRandom random_;
  Progress progress_;
  std::vector<Batch> plan_;
  int64_t planned_steps_ = 0;
  Clock::time_point epoch_start_;
};

}  // namespace

void check(const LoopOptions& options) {
  const auto require = [](bool holds, const char* name, int64_t value, const char* accepted) {
    if (!holds) throw ParameterError(name, std::to_string(value), accepted);
  };
  require(options.epochs >= 1, "epochs", options.epochs, "1 or more");
  require(options.steps_per_epoch >= 0, "steps_per_epoch", options.steps_per_epoch,
          "1 or more, or 0 for the sampler's own epoch");
  require(options.patience >= 0, "patience", options.patience, "1 or more epochs, or 0 to train all epochs");
  require(options.validation_freq >= 1, "validation_freq", options.validation_freq, "1 or more epochs");
  require(options.checkpoint_every >= 0, "checkpoint_every", options.checkpoint_every,
          "1 or more steps, or 0 for none");
  check(options.optimizer);
}

TrainingError diverged(const std::string& what, int64_t epoch) {
  return TrainingError("the " + what + " no longer finite (epoch " + std::to_string(epoch + 1) +
                       "): try a lower learning rate, and look for NaN or infinite values in the features");
}

int64_t run_training(Learner& learner, const LoopOptions& options, const FitListener& listener,
                     const TrainingState* state) {
  TrainingLoop loop(learner, options, listener);
  if (state) loop.load(*state);
  return loop.run();
}

}  // namespace siamaudio

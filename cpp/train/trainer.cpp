#include "train/trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/errors.h"
#include "base/random.h"
#include "model/init.h"
#include "score/oneshot.h"
#include "train/moving_average.h"
#include "train/objective.h"
#include "train/out_of_memory.h"
#include "train/snapshot.h"
#include "train/upload.h"

namespace siamaudio {
namespace {

constexpr int64_t kCollapseCheckSteps = 50;  // from one look at the spread of a batch's embeddings to the next
constexpr uint64_t kDropoutStream = 1;
constexpr uint64_t kAugmentStream = 2;

void check(const FitOptions& options, const LabelledFeatures& train, const LabelledFeatures* validation,
           const Siamese& network) {
  const auto require = [](bool holds, const char* name, auto value, const char* accepted) {
    if (!holds) throw ParameterError(name, std::to_string(value), accepted);
  };
  require(options.epochs >= 1, "epochs", options.epochs, "1 or more");
  require(options.steps_per_epoch >= 0, "steps_per_epoch", options.steps_per_epoch,
          "1 or more, or 0 for the sampler's own epoch");
  require(options.patience >= 0, "patience", options.patience, "1 or more epochs, or 0 to train all epochs");
  require(options.validation_freq >= 1, "validation_freq", options.validation_freq, "1 or more epochs");
  require(options.validation_ways >= 2, "validation_ways", options.validation_ways, "2 or more");
  require(options.checkpoint_every >= 0, "checkpoint_every", options.checkpoint_every,
          "1 or more steps, or 0 for none");
  require(train.num_classes >= 2, "train", train.num_classes, "2 or more classes");
  if (validation)
    require(validation->num_classes >= 2, "validation", validation->num_classes, "2 or more classes, or none");
  check(options.optimizer);
  check_augmentations(options.augment);
  check_sampler(options.sampler, train.labels, train.num_classes);
  check_objective(options.losses, options.sampler, options.augment, network);
}

TrainingError diverged(const std::string& what, int64_t epoch) {
  return TrainingError("the " + what + " no longer finite (epoch " + std::to_string(epoch + 1) +
                       "): try a lower learning rate, and look for NaN or infinite values in the features");
}

TrainingError collapsed(int64_t epoch) {
  return TrainingError("all embeddings have become the same (epoch " + std::to_string(epoch + 1) +
                       "), so nothing more can be learned: try a lower learning rate, semi-hard instead of hard "
                       "mining, or another loss");
}

at::Tensor with_channels(const at::Tensor& spectrograms) {
  return spectrograms.dim() == 3 ? spectrograms.unsqueeze(1) : spectrograms;
}

/// The option that makes a sampler's batches smaller.
std::string batch_size_option(const SamplerOptions& sampler) {
  if (std::holds_alternative<AnchorPairsOptions>(sampler)) return "the sampler's num_positive or num_negative";
  if (std::holds_alternative<EpisodesOptions>(sampler)) return "the sampler's ways, shots or queries";
  return "batch_size";
}

/// Those whose names start with `prefix` and a dot, without it.
NamedTensors under(const std::string& prefix, const NamedTensors& tensors) {
  NamedTensors found;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix + ".")) found.emplace_back(name.substr(prefix.size() + 1), tensor);
  return found;
}

/// The features as the trained part of the network meets them, made once rather than in every step and validation.
LabelledFeatures past_frozen(const Siamese& network, const LabelledFeatures& features, bool is_wanted,
                             const Poll& poll) {
  LabelledFeatures result = features;
  if (!is_wanted) return result;
  if (auto output = network.frozen_output(features.spectrograms, poll)) result.spectrograms = *std::move(output);
  return result;
}

double negative_ratio(const SamplerOptions& sampler) {
  const auto* balanced = std::get_if<BalancedOptions>(&sampler);
  return balanced ? balanced->negative_ratio : 1;
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

/// One run of fit().
class Trainer {
 public:
  Trainer(Siamese& network, const LabelledFeatures& train, const LabelledFeatures* validation,
          const FitOptions& options, const FitListener& listener)
      : network_(network),
        train_(train),
        validation_(validation),
        options_(options),
        listener_(listener),
        device_(network.device()),
        feed_(with_channels(train.spectrograms), device_, options.feature_memory),
        labels_(at::tensor(train.labels, at::kLong).to(device_)),
        gradients_(network.parameters()),
        objective_(options.losses, negative_ratio(options.sampler), network, train.num_classes),
        optimizer_(make_optimizer(options.optimizer, network.parameters())),
        plateau_(options.optimizer.schedule),
        best_(network.weights()),
        dropout_generator_(make_generator(device_, 0)),
        augment_generator_(make_generator(at::kCPU, 0)) {
    if (options.optimizer.moving_average > 0) average_.emplace(network.weights());
    take_plan();
    planned_steps_ = options.epochs * steps_of_epoch();
  }

  void load(const TrainingState& state) {
    progress_ = state.progress;
    network_.set_weights(under("best", state.tensors));
    best_.take();
    network_.set_weights(under("network", state.tensors));
    optimizer_->load_state(under("optimizer", state.tensors));
    if (average_) average_->load_state(under("average", state.tensors));
    objective_.load_state(under("memory", state.tensors));
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
                               "lower " + batch_size_option(options_.sampler), device_, [&] { run_step(batch); });
      if (listener_.on_step)
        listener_.on_step(
            {.epoch = progress_.epoch, .step = progress_.step, .num_steps = num_steps, .loss = mean_loss()});
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
    plan_ = plan_epoch(options_.sampler, train_.labels, train_.num_classes, random);
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

  /// As far as it is planned.
  void fetch_next_batch() {
    if (progress_.position < static_cast<int64_t>(plan_.size()))
      feed_.fetch_ahead(plan_[static_cast<size_t>(progress_.position)].clips);
  }

  void run_step(const Batch& batch) {
    const uint64_t step_seed = stream_seed(options_.seed, static_cast<uint64_t>(progress_.total_steps));
    dropout_generator_.set_current_seed(stream_seed(step_seed, kDropoutStream));
    augment_generator_.set_current_seed(stream_seed(step_seed, kAugmentStream));

    const Augmented inputs = augment(options_.augment, feed_.take(batch.clips), augment_generator_);
    const at::Tensor embeddings = encode(inputs.spectrograms, batch.num_sides);
    const at::Tensor labels = labels_.index_select(0, upload(at::tensor(batch.clips, at::kLong), device_));
    const Objective::Value value = objective_(network_, embeddings, labels, batch, inputs);
    value.loss.backward();
    fetch_next_batch();
    if (options_.optimizer.clip_norm > 0) clip_gradients(network_.parameters(), options_.optimizer.clip_norm);
    optimizer_->step(lr(progress_.total_steps));
    if (average_) average_->update(options_.optimizer.moving_average);

    const double loss = value.loss.item<double>();  // waits for the device
    if (!std::isfinite(loss)) throw diverged("loss is", progress_.epoch);
    if (progress_.total_steps % kCollapseCheckSteps == 0) check_spread(batch);
    ++progress_.step;
    ++progress_.total_steps;
    progress_.loss_sum += loss;
    progress_.num_clips += static_cast<int64_t>(batch.clips.size());
    progress_.num_pairs += value.num_compared;
    progress_.seconds = seconds();
  }

  /// Each side of the batch by itself, as batch norm normalises what it is given.
  at::Tensor encode(const at::Tensor& spectrograms, int64_t num_sides) {
    const Pass pass{
        .is_training = true, .dropout_generator = dropout_generator_, .poll = listener_.poll, .workspace = workspace_};
    const Autocast autocast(device_.type(), options_.precision);
    if (num_sides == 1) return network_.encode(spectrograms, pass).to(at::kFloat);
    std::vector<at::Tensor> sides;
    for (const at::Tensor& side : spectrograms.chunk(num_sides)) sides.push_back(network_.encode(side, pass));
    return at::cat(sides).to(at::kFloat);
  }

  /// Of the embeddings without dropout, which would spread them.
  void check_spread(const Batch& batch) {
    const at::NoGradGuard no_grad;
    const Pass pass{.is_training = false, .dropout_generator = {}, .poll = listener_.poll, .workspace = workspace_};
    if (has_collapsed(network_.encode(feed_.take(batch.clips), pass))) throw collapsed(progress_.epoch);
  }

  void end_epoch() {
    // A last step may have broken the weights after its loss was still a number.
    for (const auto& [name, tensor] : network_.weights())
      if (!at::isfinite(tensor).all().item<bool>()) throw diverged("weights are", progress_.epoch);
    if (objective_.has_memory())
      objective_.update_memory(
          network_.embed(train_.spectrograms, listener_.poll).narrow(1, 0, network_.trained_size()).to(device_),
          labels_, progress_.epoch, options_.epochs);

    const bool is_last = progress_.epoch + 1 == options_.epochs;
    const bool validates = validation_ && (is_last || (progress_.epoch + 1) % options_.validation_freq == 0);
    EpochReport report{.epoch = progress_.epoch,
                       .loss = mean_loss(),
                       .validation_accuracy = std::numeric_limits<double>::quiet_NaN(),
                       .lr = lr(progress_.total_steps - 1),
                       .seconds = 0,
                       .num_clips = progress_.num_clips,
                       .num_pairs = progress_.num_pairs};
    bool goes_on = true;
    {
      const AveragedWeights averaged(average_);
      if (validates) report.validation_accuracy = validation_accuracy();
      if (!validation_ || report.validation_accuracy > progress_.best_accuracy) {
        if (validates) progress_.best_accuracy = report.validation_accuracy;
        progress_.best_epoch = progress_.epoch;
        best_.take();
      }
      report.seconds = seconds();
      if (listener_.on_epoch) goes_on = listener_.on_epoch(report);
    }
    if (validates || !validation_)
      plateau_.observe(validates ? report.validation_accuracy : -report.loss, options_.optimizer.lr);
    const bool is_stale =
        validation_ && options_.patience > 0 && progress_.epoch - progress_.best_epoch >= options_.patience;
    progress_.is_finished = is_last || is_stale || !goes_on;
    ++progress_.epoch;
    progress_.step = progress_.num_clips = progress_.num_pairs = 0;
    progress_.loss_sum = progress_.seconds = 0;
    if (!progress_.is_finished && options_.steps_per_epoch == 0) next_plan();
  }

  double validation_accuracy() {
    const at::Tensor embeddings = network_.embed(validation_->spectrograms, listener_.poll);
    const at::Tensor similarity = network_.similarity(embeddings, embeddings, listener_.poll).contiguous();
    // Finite weights can be so large that embeddings are not.
    if (!at::isfinite(similarity).all().item<bool>()) throw diverged("similarities are", progress_.epoch);
    const std::span<const float> values(similarity.const_data_ptr<float>(), static_cast<size_t>(similarity.numel()));
    const int64_t ways = std::min(options_.validation_ways, validation_->num_classes);
    return exact_oneshot_accuracy(values, validation_->labels, validation_->num_classes, ways, 0, listener_.poll);
  }

  double lr(int64_t step) const {
    const OptimizerOptions& optimizer = options_.optimizer;
    return scheduled_lr(optimizer.schedule, optimizer.lr, step, planned_steps_) * plateau_.scale();
  }

  void checkpoint() {
    if (!listener_.on_checkpoint) return;
    TrainingState state;
    state.progress = progress_;
    append(state.tensors, "network", network_.weights());
    append(state.tensors, "best", best_.values());
    append(state.tensors, "optimizer", optimizer_->state());
    if (average_) append(state.tensors, "average", average_->state());
    append(state.tensors, "memory", objective_.state());
    append(state.tensors, "plateau", plateau_.state());
    listener_.on_checkpoint(state);
  }

  double mean_loss() const { return progress_.loss_sum / static_cast<double>(std::max<int64_t>(1, progress_.step)); }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - epoch_start_).count(); }

  Siamese& network_;
  const LabelledFeatures& train_;
  const LabelledFeatures* validation_;  // may be null
  const FitOptions& options_;
  const FitListener& listener_;
  at::Device device_;
  BatchFeed feed_;
  at::Tensor labels_;  // of all training clips, on the device
  RequireGradients gradients_;
  Objective objective_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<MovingAverage> average_;
  Plateau plateau_;
  Snapshot best_;
  at::Generator dropout_generator_;
  at::Generator augment_generator_;  // of the CPU
  Workspace workspace_;
  Progress progress_;
  std::vector<Batch> plan_;
  int64_t planned_steps_ = 0;
  Clock::time_point epoch_start_;
};

}  // namespace

int64_t fit(Siamese& network, const LabelledFeatures& train, const LabelledFeatures* validation,
            const FitOptions& options, const FitListener& listener, const TrainingState* state) {
  check(options, train, validation, network);
  const std::optional<ClassifierKind> kind = classifier_kind(options.losses);
  if (kind && !network.classifier()) network.add_classifier(train.num_classes, *kind);
  if (network.parameters().empty())
    throw ParameterError("encoder", "a frozen one, with nothing to train after it",
                         "dense layers, a head or a classifier, or a trainable encoder");
  return saying_what_needs_memory("the training", "choose a smaller encoder", network.device(), [&] {
    // Augmentations come before the encoder, so with them its frozen part has to run in every step.
    const LabelledFeatures frozen_train = past_frozen(network, train, options.augment.empty(), listener.poll);
    const LabelledFeatures frozen_validation =
        validation ? past_frozen(network, *validation, true, listener.poll) : LabelledFeatures{};
    Trainer trainer(network, frozen_train, validation ? &frozen_validation : nullptr, options, listener);
    if (state) trainer.load(*state);
    return trainer.run();
  });
}

}  // namespace siamaudio

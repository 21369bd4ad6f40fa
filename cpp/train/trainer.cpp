#include "train/trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/triu_indices.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/errors.h"
#include "base/random.h"
#include "model/init.h"
#include "score/oneshot.h"
#include "train/sampling.h"

namespace siamaudio {
namespace {

void check(const FitOptions& options, const LabelledFeatures& train, const LabelledFeatures* validation) {
  const auto require = [](bool holds, const char* name, auto value, const char* accepted) {
    if (!holds) throw ParameterError(name, std::to_string(value), accepted);
  };
  require(options.epochs >= 1, "epochs", options.epochs, "1 or more");
  require(options.patience >= 0, "patience", options.patience, "1 or more epochs, or 0 to train all epochs");
  require(options.batch_size >= 2 || options.pairing == Pairing::kTwoSided, "batch_size", options.batch_size,
          "2 or more clips");
  require(options.batch_size >= 1, "batch_size", options.batch_size, "1 or more pairs");
  require(options.clips_per_class >= 2, "clips_per_class", options.clips_per_class, "2 or more");
  const auto is_positive = [](double value) { return value > 0 && std::isfinite(value); };
  require(is_positive(options.negative_ratio), "negative_ratio", options.negative_ratio, "a finite number above 0");
  require(is_positive(options.optimizer.learning_rate), "learning_rate", options.optimizer.learning_rate,
          "a finite number above 0");
  require(options.optimizer.decay == 0 || is_positive(options.optimizer.decay), "learning_rate_decay",
          options.optimizer.decay, "a finite number, 0 or more");
  require(options.validation_ways >= 2, "validation_ways", options.validation_ways, "2 or more");
  require(train.num_classes >= 2, "train", train.num_classes, "2 or more classes");
  if (validation)
    require(validation->num_classes >= 2, "validation", validation->num_classes, "2 or more classes, or none");
}

/// Copies of tensors' values, and the way back.
class Snapshot {
 public:
  explicit Snapshot(NamedTensors tensors) : tensors_(std::move(tensors)) {
    for (const auto& [name, tensor] : tensors_) values_.push_back(tensor.detach().clone());
  }
  void take() { copy(/*back=*/false); }
  void restore() { copy(/*back=*/true); }

 private:
  void copy(bool back) {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < values_.size(); ++i) {
      if (back)
        tensors_[i].second.copy_(values_[i]);
      else
        values_[i].copy_(tensors_[i].second);
    }
  }

  NamedTensors tensors_;
  std::vector<at::Tensor> values_;
};

/// Turns gradients on for a scope and clears what is left of them at its end.
class RequireGradients {
 public:
  explicit RequireGradients(const NamedTensors& parameters) : parameters_(parameters) {
    for (const auto& [name, parameter] : parameters_) parameter.set_requires_grad(true);
  }
  ~RequireGradients() {
    for (const auto& [name, parameter] : parameters_) {
      parameter.mutable_grad().reset();
      parameter.set_requires_grad(false);
    }
  }
  RequireGradients(const RequireGradients&) = delete;
  RequireGradients& operator=(const RequireGradients&) = delete;

 private:
  NamedTensors parameters_;
};

/// One batch's logits, with the class relation and the weight of each pair.
struct PairBatch {
  at::Tensor logits;
  at::Tensor is_same;
  at::Tensor weights;
};

class Trainer {
 public:
  Trainer(Siamese& network, const LabelledFeatures& train, const FitOptions& options, const FitListener& listener)
      : network_(network),
        train_(train),
        options_(options),
        listener_(listener),
        device_(network.device()),
        spectrograms_(train.spectrograms.to(device_)),
        labels_(to_device(train.labels)),
        random_(options.seed),
        pass_{.is_training = true, .dropout_generator = make_generator(device_, options.seed), .poll = listener.poll} {}

  /// Fills in all but the validation accuracy and the seconds.
  EpochReport run_epoch(int64_t epoch, Adam& optimizer) {
    EpochReport report{.epoch = epoch,
                       .loss = 0,
                       .validation_accuracy = std::numeric_limits<double>::quiet_NaN(),
                       .learning_rate = 0,
                       .seconds = 0,
                       .num_clips = 0,
                       .num_pairs = 0};
    const auto run = [&](int64_t step, int64_t num_steps, int64_t num_clips, auto make_batch) {
      const PairBatch batch = make_batch();
      const at::Tensor loss = pair_loss(batch.logits, batch.is_same, batch.weights, options_.loss);
      loss.backward();
      optimizer.step();
      const double value = loss.item<double>();
      if (!std::isfinite(value)) throw diverged("loss is", epoch);
      report.loss += (value - report.loss) / static_cast<double>(step + 1);
      report.num_clips += num_clips;
      report.num_pairs += batch.logits.numel();
      if (listener_.on_step)
        listener_.on_step({.epoch = epoch, .step = step + 1, .num_steps = num_steps, .loss = report.loss});
    };

    const auto batches = plan_epoch(sampler(), train_.labels, train_.num_classes, random_);
    for (size_t step = 0; step < batches.size(); ++step)
      run(static_cast<int64_t>(step), static_cast<int64_t>(batches.size()),
          static_cast<int64_t>(batches[step].clips.size()),
          [&] { return batches[step].num_sides == 1 ? in_batch(batches[step].clips) : two_sided(batches[step]); });
    report.learning_rate = optimizer.learning_rate();
    // A last step may have broken the weights after its loss was still a number.
    for (const auto& [name, tensor] : network_.weights())
      if (!at::isfinite(tensor).all().item<bool>()) throw diverged("weights are", epoch);
    return report;
  }

 private:
  static TrainingError diverged(const std::string& what, int64_t epoch) {
    return TrainingError("the " + what + " no longer finite (epoch " + std::to_string(epoch + 1) +
                         "): try a lower learning rate, and look for NaN or infinite values in the features");
  }

  SamplerOptions sampler() const {
    if (options_.pairing == Pairing::kTwoSided)
      return HonkaPairsOptions{.batch_size = options_.batch_size, .negative_ratio = options_.negative_ratio};
    return BalancedOptions{.batch_size = options_.batch_size, .clips_per_class = options_.clips_per_class};
  }

  at::Tensor to_device(const std::vector<int64_t>& values) const { return at::tensor(values, at::kLong).to(device_); }

  /// All pairs of the batch's clips; positives and negatives weigh 1 : negative_ratio as wholes.
  PairBatch in_batch(const std::vector<int64_t>& clips) {
    const at::Tensor index = to_device(clips);
    const at::Tensor embeddings = network_.encode(spectrograms_.index_select(0, index), pass_);
    const auto num_clips = static_cast<int64_t>(clips.size());
    const at::Tensor pairs = at::triu_indices(num_clips, num_clips, 1, at::TensorOptions(at::kLong).device(device_));
    const at::Tensor left = pairs[0];
    const at::Tensor right = pairs[1];
    const at::Tensor logits = network_.pair_logits(embeddings.index_select(0, left), embeddings.index_select(0, right));

    const at::Tensor labels = labels_.index_select(0, index);
    const at::Tensor same = labels.index_select(0, left).eq(labels.index_select(0, right));
    const at::Tensor is_same = same.to(at::kFloat);
    const at::Tensor num_same = is_same.sum().clamp_min(1);
    const at::Tensor num_different = (1 - is_same).sum().clamp_min(1);
    const double share_same = 1 / (1 + options_.negative_ratio);
    const at::Tensor weights = is_same * (share_same / num_same) + (1 - is_same) * ((1 - share_same) / num_different);
    return {logits, is_same, weights};
  }

  PairBatch two_sided(const Batch& batch) {
    const auto half = batch.clips.begin() + static_cast<int64_t>(batch.clips.size()) / 2;
    const std::vector<int64_t> left(batch.clips.begin(), half);
    const std::vector<int64_t> right(half, batch.clips.end());
    std::vector<float> same;
    for (const Pair& pair : batch.pairs) same.push_back(pair.is_same ? 1.0F : 0.0F);
    const at::Tensor left_embeddings = network_.encode(spectrograms_.index_select(0, to_device(left)), pass_);
    const at::Tensor right_embeddings = network_.encode(spectrograms_.index_select(0, to_device(right)), pass_);
    const at::Tensor is_same = at::tensor(same, at::kFloat).to(device_);
    return {network_.pair_logits(left_embeddings, right_embeddings), is_same,
            at::full_like(is_same, 1 / static_cast<double>(batch.pairs.size()))};
  }

  Siamese& network_;
  const LabelledFeatures& train_;
  const FitOptions& options_;
  const FitListener& listener_;
  at::Device device_;
  at::Tensor spectrograms_;  // all training clips, resident on the device
  at::Tensor labels_;
  Random random_;
  Pass pass_;
};

double validation_accuracy(Siamese& network, const LabelledFeatures& validation, const FitOptions& options,
                           const Poll& poll) {
  const at::Tensor embeddings = network.embed(validation.spectrograms, poll);
  const at::Tensor similarity = network.similarity(embeddings, embeddings, poll).to(at::kDouble).contiguous();
  const std::span<const double> values(similarity.const_data_ptr<double>(), static_cast<size_t>(similarity.numel()));
  const int64_t ways = std::min(options.validation_ways, validation.num_classes);
  return exact_oneshot(values, validation.labels, validation.num_classes, ways, 0, poll).accuracy;
}

}  // namespace

Pairing parse_pairing(const std::string& name) {
  if (name == "in-batch") return Pairing::kInBatch;
  if (name == "two-sided") return Pairing::kTwoSided;
  throw ParameterError("pairing", name, "'in-batch' or 'two-sided'");
}

int64_t fit(Siamese& network, const LabelledFeatures& train, const LabelledFeatures* validation,
            const FitOptions& options, const FitListener& listener) {
  check(options, train, validation);
  const RequireGradients gradients(network.parameters());
  std::vector<at::Tensor> parameters;
  for (const auto& [name, parameter] : network.parameters()) parameters.push_back(parameter);
  Adam optimizer(parameters, options.optimizer);
  Trainer trainer(network, train, options, listener);
  Snapshot best(network.weights());
  int64_t best_epoch = -1;
  double best_accuracy = -1;

  try {
    for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
      const auto start = std::chrono::steady_clock::now();
      EpochReport report = trainer.run_epoch(epoch, optimizer);
      if (validation) report.validation_accuracy = validation_accuracy(network, *validation, options, listener.poll);
      if (!validation || report.validation_accuracy > best_accuracy) {
        best_accuracy = report.validation_accuracy;
        best_epoch = epoch;
        best.take();
      }
      report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (listener.on_epoch) listener.on_epoch(report);
      if (validation && options.patience > 0 && epoch - best_epoch >= options.patience) break;
    }
  } catch (...) {
    best.restore();
    throw;
  }
  best.restore();
  return best_epoch;
}

}  // namespace siamaudio

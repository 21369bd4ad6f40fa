#include "train/trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "base/errors.h"
#include "score/oneshot.h"
#include "train/objective.h"
#include "train/out_of_memory.h"
#include "train/upload.h"

namespace siamaudio {
namespace {

void check(const FitOptions& options, const LabelledFeatures& train, const LabelledFeatures* validation,
           const Siamese& network) {
  check(static_cast<const LoopOptions&>(options));
  const auto require = [](bool holds, const char* name, auto value, const char* accepted) {
    if (!holds) throw ParameterError(name, std::to_string(value), accepted);
  };
  require(options.validation_ways >= 2, "validation_ways", options.validation_ways, "2 or more");
  require(train.num_classes >= 2, "train", train.num_classes, "2 or more classes");
  if (validation)
    require(validation->num_classes >= 2, "validation", validation->num_classes, "2 or more classes, or none");
  check_augmentations(options.augment);
  check_sampler(options.sampler, train.labels, train.num_classes);
  check_objective(options.losses, options.sampler, options.augment, network);
}

TrainingError collapsed(int64_t epoch) {
  return TrainingError("all embeddings have become the same (epoch " + std::to_string(epoch + 1) +
                       "), so nothing more can be learned: try a lower learning rate, semi-hard instead of hard "
                       "mining, or another loss");
}

at::Tensor with_channels(const at::Tensor& spectrograms) {
  return spectrograms.dim() == 3 ? spectrograms.unsqueeze(1) : spectrograms;
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

class SiameseLearner final : public Learner {
 public:
  SiameseLearner(Siamese& network, const LabelledFeatures& train, const LabelledFeatures* validation,
                 const FitOptions& options, const Poll& poll)
      : network_(network),
        train_(train),
        validation_(validation),
        options_(options),
        poll_(poll),
        feed_(with_channels(train.spectrograms), network.device(), options.feature_memory),
        labels_(at::tensor(train.labels, at::kLong).to(network.device())),
        objective_(options.losses, negative_ratio(options.sampler), network, train.num_classes) {}

  at::Device device() const override { return network_.device(); }
  NamedTensors parameters() const override { return network_.parameters(); }
  NamedTensors weights() const override { return network_.weights(); }

  std::vector<Batch> plan_epoch(Random& random) const override {
    return siamaudio::plan_epoch(options_.sampler, train_.labels, train_.num_classes, random);
  }

  std::string batch_size_option() const override {
    if (std::holds_alternative<AnchorPairsOptions>(options_.sampler))
      return "the sampler's num_positive or num_negative";
    if (std::holds_alternative<EpisodesOptions>(options_.sampler)) return "the sampler's ways, shots or queries";
    return "batch_size";
  }

  Value loss(const Batch& batch, int64_t /*epoch*/, const StepRandom& random) override {
    at::Generator generator = random.augment;
    const Augmented inputs = augment(options_.augment, feed_.take(batch.clips), generator);
    const at::Tensor embeddings = encode(inputs.spectrograms, batch.num_sides, random.noise);
    const at::Tensor labels = labels_.index_select(0, upload(at::tensor(batch.clips, at::kLong), device()));
    const Objective::Value value = objective_(network_, embeddings, labels, batch, inputs);
    return {.loss = value.loss, .num_clips = static_cast<int64_t>(batch.clips.size()), .num_pairs = value.num_compared};
  }

  void fetch_ahead(const Batch& batch) override { feed_.fetch_ahead(batch.clips); }

  /// Looks at the embeddings without dropout, which would spread them.
  void check_learning(const Batch& batch, int64_t epoch) override {
    const at::NoGradGuard no_grad;
    const Pass pass{.is_training = false, .dropout_generator = {}, .poll = poll_, .workspace = workspace_};
    if (has_collapsed(network_.encode(feed_.take(batch.clips), pass))) throw collapsed(epoch);
  }

  void end_epoch(int64_t epoch) override {
    if (objective_.has_memory())
      objective_.update_memory(
          network_.embed(train_.spectrograms, poll_).narrow(1, 0, network_.trained_size()).to(device()), labels_, epoch,
          options_.epochs);
  }

  bool validates() const override { return validation_ != nullptr; }

  double validation_score(int64_t epoch) override {
    const at::Tensor embeddings = network_.embed(validation_->spectrograms, poll_);
    const at::Tensor similarity = network_.similarity(embeddings, embeddings, poll_).contiguous();
    // Finite weights can be so large that embeddings are not.
    if (!at::isfinite(similarity).all().item<bool>()) throw diverged("similarities are", epoch);
    const std::span<const float> values(similarity.const_data_ptr<float>(), static_cast<size_t>(similarity.numel()));
    const int64_t ways = std::min(options_.validation_ways, validation_->num_classes);
    return exact_oneshot_accuracy(values, validation_->labels, validation_->num_classes, ways, 0, poll_);
  }

  NamedTensors state() const override { return objective_.state(); }
  void load_state(const NamedTensors& state) override { objective_.load_state(state); }

 private:
  /// Each side of the batch by itself, as batch norm normalises what it is given.
  at::Tensor encode(const at::Tensor& spectrograms, int64_t num_sides, const at::Generator& generator) {
    const Pass pass{.is_training = true, .dropout_generator = generator, .poll = poll_, .workspace = workspace_};
    const Autocast autocast(device().type(), options_.precision);
    if (num_sides == 1) return network_.encode(spectrograms, pass).to(at::kFloat);
    std::vector<at::Tensor> sides;
    for (const at::Tensor& side : spectrograms.chunk(num_sides)) sides.push_back(network_.encode(side, pass));
    return at::cat(sides).to(at::kFloat);
  }

  Siamese& network_;
  const LabelledFeatures& train_;
  const LabelledFeatures* validation_;  // may be null
  const FitOptions& options_;
  const Poll& poll_;
  BatchFeed feed_;
  at::Tensor labels_;  // of all training clips, on the device
  Objective objective_;
  Workspace workspace_;
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
    SiameseLearner learner(network, frozen_train, validation ? &frozen_validation : nullptr, options, listener.poll);
    return run_training(learner, options, listener, state);
  });
}

}  // namespace siamaudio

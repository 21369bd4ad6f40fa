#include "train/vae_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scalar_tensor.h>

#include <cmath>
#include <string>
#include <variant>

#include "base/errors.h"
#include "model/init.h"
#include "train/out_of_memory.h"

namespace siamaudio {
namespace {

constexpr uint64_t kValidationStream = ~uint64_t{0};  // no step of a training has this number

void check_at_least_0(const char* name, double value) {
  if (!(value >= 0 && std::isfinite(value))) throw ParameterError(name, std::to_string(value), "0 or more");
}

/// Throws ParameterError unless the clips keep their sides.
void check_sides(const char* name, const std::vector<AugmentOptions>& augmentations, const InputShape& input) {
  check_augmentations(augmentations);
  for (const auto& options : augmentations) {
    const auto* crop = std::get_if<RandomCropOptions>(&options);
    if (crop && crop->frames != input.width)
      throw ParameterError(name, "a random crop to " + std::to_string(crop->frames) + " frames",
                           "what leaves the clips their " + std::to_string(input.width) + " frames");
  }
}

void check(const VaeFitOptions& options, const InputShape& input) {
  check(static_cast<const LoopOptions&>(options));
  check_at_least_0("beta", options.beta);
  if (options.warmup_epochs < 0)
    throw ParameterError("warmup_epochs", std::to_string(options.warmup_epochs), "0 or more");
  check_sides("augment", options.augment, input);
  check_sides("corrupt", options.corrupt, input);
}

class VaeLearner final : public Learner {
 public:
  VaeLearner(Vae& vae, const at::Tensor& train, const at::Tensor* validation, const VaeFitOptions& options,
             const Poll& poll)
      : vae_(vae),
        validation_(validation),
        options_(options),
        poll_(poll),
        feed_(vae.with_channels(train), vae.device(), options.feature_memory),
        no_labels_(static_cast<size_t>(train.size(0)), 0) {
    check_sampler(sampler(), no_labels_, /*num_classes=*/1);
  }

  at::Device device() const override { return vae_.device(); }
  NamedTensors parameters() const override { return vae_.parameters(); }
  NamedTensors weights() const override { return vae_.weights(); }

  std::vector<Batch> plan_epoch(Random& random) const override {
    return siamaudio::plan_epoch(sampler(), no_labels_, /*num_classes=*/1, random);
  }

  Value loss(const Batch& batch, int64_t epoch, const StepRandom& random) override {
    at::Generator generator = random.augment;
    const at::Tensor clips = vae_.standardize(feed_.take(batch.clips));
    const at::Tensor x = augment(options_.augment, clips, generator).spectrograms;
    const at::Tensor seen = augment(options_.corrupt, x, generator).spectrograms;
    const Pass pass{.is_training = true, .dropout_generator = random.noise, .poll = poll_, .workspace = workspace_};
    const LatentDistribution latent = vae_.encode(seen, pass);
    const at::Tensor noise = at::empty_like(latent.mean.detach()).normal_(0, 1, random.noise);
    const PixelDistribution pixels = vae_.decode(sample(latent, noise), pass);
    const at::Tensor reconstruction = pixel_loss(x, pixels, options_.likelihood).mean();
    const at::Tensor kl = kl_divergence(latent).mean();
    const double beta = kl_weight(options_.beta, options_.warmup_epochs, epoch);
    return {.loss = reconstruction + beta * kl,
            .num_clips = static_cast<int64_t>(batch.clips.size()),
            .num_pairs = 0,
            .terms = {{"reconstruction", reconstruction}, {"kl", kl}, {"beta", at::scalar_tensor(beta, at::kDouble)}}};
  }

  void fetch_ahead(const Batch& batch) override { feed_.fetch_ahead(batch.clips); }

  bool validates() const override { return validation_ != nullptr; }

  double validation_score(int64_t epoch) override {
    at::Generator generator = make_generator(at::kCPU, stream_seed(options_.seed, kValidationStream));
    const at::Tensor noise =
        at::empty({validation_->size(0), vae_.options().latent_dim}, at::kFloat).normal_(0, 1, generator);
    const at::Tensor losses =
        clip_losses(vae_, *validation_, noise, options_.likelihood, poll_).to(at::kDouble).mean(1);
    const double score = -(losses[0].item<double>() + options_.beta * losses[1].item<double>());
    if (!std::isfinite(score)) throw diverged("validation loss is", epoch);
    return score;
  }

 private:
  SamplerOptions sampler() const { return ShuffledOptions{.batch_size = options_.batch_size}; }

  Vae& vae_;
  const at::Tensor* validation_;  // may be null
  const VaeFitOptions& options_;
  const Poll& poll_;
  BatchFeed feed_;
  std::vector<int64_t> no_labels_;  // one class of all clips, for the sampler
  Workspace workspace_;
};

}  // namespace

int64_t fit(Vae& vae, const at::Tensor& train, const at::Tensor* validation, const VaeFitOptions& options,
            const FitListener& listener, const TrainingState* state) {
  check(options, vae.input_shape());
  return saying_what_needs_memory("the training", "choose fewer filters", vae.device(), [&] {
    VaeLearner learner(vae, train, validation, options, listener.poll);
    return run_training(learner, options, listener, state);
  });
}

}  // namespace siamaudio

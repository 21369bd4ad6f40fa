#include "train/vae_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/choices.h"

namespace siamaudio {
namespace {

constexpr int64_t kBlockClips = 32;  // bounds the memory of the activations

}  // namespace

Likelihood parse_likelihood(const std::string& name) {
  constexpr Choices<Likelihood, 2> kLikelihoods{
      {{"gaussian", Likelihood::kGaussian}, {"squared_error", Likelihood::kSquaredError}}};
  return parse_choice("likelihood", name, kLikelihoods);
}

at::Tensor kl_divergence(const LatentDistribution& latent) {
  return 0.5 * (latent.mean.square() + latent.log_variance.exp() - 1 - latent.log_variance).sum(1);
}

at::Tensor sample(const LatentDistribution& latent, const at::Tensor& noise) {
  return latent.mean + (0.5 * latent.log_variance).exp() * noise;
}

at::Tensor pixel_loss(const at::Tensor& x, const PixelDistribution& pixels, Likelihood likelihood) {
  const at::Tensor scaled = (x - pixels.mean).square() / pixels.variance;
  if (likelihood == Likelihood::kSquaredError) return scaled.sum({1, 2, 3});
  const double constant = std::log(2 * std::numbers::pi);
  return 0.5 * (scaled + pixels.variance.log() + constant).sum({1, 2, 3});
}

double kl_weight(double beta, int64_t warmup_epochs, int64_t epoch) {
  if (epoch >= warmup_epochs) return beta;
  return beta * static_cast<double>(epoch + 1) / static_cast<double>(warmup_epochs);
}

at::Tensor clip_losses(Vae& vae, const at::Tensor& spectrograms, const at::Tensor& noise, Likelihood likelihood,
                       const Poll& poll) {
  const at::NoGradGuard no_grad;
  const Pass pass{.is_training = false, .dropout_generator = {}, .poll = poll};
  const at::Tensor clips = vae.with_channels(spectrograms);
  at::Tensor losses = at::empty({2, clips.size(0)}, at::kFloat);
  for (int64_t start = 0; start < clips.size(0); start += kBlockClips) {
    const int64_t size = std::min(kBlockClips, clips.size(0) - start);
    const at::Tensor x = vae.standardize(clips.narrow(0, start, size).to(vae.device()));
    const LatentDistribution latent = vae.encode(x, pass);
    const PixelDistribution pixels = vae.decode(sample(latent, noise.narrow(0, start, size).to(vae.device())), pass);
    losses[0].narrow(0, start, size).copy_(pixel_loss(x, pixels, likelihood));
    losses[1].narrow(0, start, size).copy_(kl_divergence(latent));
  }
  return losses;
}

}  // namespace siamaudio

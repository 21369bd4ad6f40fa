// What a variational autoencoder minimises (Kingma and Welling 2014): the divergence of q(z | x) from the prior, and
// how unlikely the pixels are given z.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "base/poll.h"
#include "model/vae.h"

namespace siamaudio {

enum class Likelihood {
  /// Σ ½ (log 2π + log σ² + (x - μ)² / σ²): minus the logarithm of the normal density.
  kGaussian,
  /// Σ (x - μ)² / σ², Pedersen 2023, equation 3.1. Without the logarithm every pixel gains by a larger variance: the
  /// variances grow without bound and the means are learned ever more slowly.
  kSquaredError,
};

/// "gaussian" or "squared_error". Throws ParameterError.
Likelihood parse_likelihood(const std::string& name);

/// Of q(z | x) from N(0, I), in nats: Σ ½ (μ² + σ² - 1 - log σ²) -> (clips,). (Pedersen 2023, equation 2.40, has it
/// with the opposite sign, which is that of its place in the bound that is maximised.)
at::Tensor kl_divergence(const LatentDistribution& latent);

/// z = mean + deviation × noise; noise: (clips, latent_dim).
at::Tensor sample(const LatentDistribution& latent, const at::Tensor& noise);

/// x: (clips, channels, height, width) -> (clips,).
at::Tensor pixel_loss(const at::Tensor& x, const PixelDistribution& pixels, Likelihood likelihood);

/// Weight of the divergence in an epoch (from 0): `beta`, reached in a line over the first warmup_epochs (Pedersen
/// 2023, equation 3.2; Sønderby et al. 2016).
double kl_weight(double beta, int64_t warmup_epochs, int64_t epoch);

/// Of each clip outside training, in the order of the rows, with z = mean + deviation × noise: pixel_loss and
/// kl_divergence -> (2, clips) on the CPU. spectrograms: as Vae::embed; noise: (clips, latent_dim). In blocks of clips,
/// `poll` in between.
at::Tensor clip_losses(Vae& vae, const at::Tensor& spectrograms, const at::Tensor& noise, Likelihood likelihood,
                       const Poll& poll);

}  // namespace siamaudio

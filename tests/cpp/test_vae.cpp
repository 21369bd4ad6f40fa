#include "model/vae.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "expect.h"
#include "tensors.h"
#include "train/snapshot.h"
#include "train/vae_losses.h"
#include "train/vae_trainer.h"

namespace siamaudio {
namespace {

constexpr InputShape kInput{.channels = 1, .height = 9, .width = 12};

Vae small_vae(const InputShape& input = kInput, uint64_t seed = 1) {
  return {{.filters = {3, 4}, .latent_dim = 3, .min_variance = 0.05}, input, seed};
}

VaeFitOptions short_fit(int64_t epochs) {
  VaeFitOptions options;
  options.batch_size = 4;
  options.warmup_epochs = 2;
  options.augment = {TimeShiftOptions{}};
  options.corrupt = {SpecAugmentOptions{.max_time_frames = 3, .max_bands = 2}};
  options.optimizer.lr = 3e-3;
  options.epochs = epochs;
  options.seed = 5;
  return options;
}

/// The loss of `clips` in training, batch statistics and all, with this noise.
at::Tensor training_loss(Vae& vae, const at::Tensor& clips, const at::Tensor& noise, Likelihood likelihood) {
  const Pass pass{.is_training = true, .dropout_generator = {}};
  const LatentDistribution latent = vae.encode(clips, pass);
  const PixelDistribution pixels = vae.decode(sample(latent, noise), pass);
  return (pixel_loss(clips, pixels, likelihood) + 0.5 * kl_divergence(latent)).mean();
}

// ---- The model

class Sides : public testing::TestWithParam<InputShape> {};

TEST_P(Sides, AreTheSameAtBothEnds) {
  const InputShape& input = GetParam();
  Vae vae({.filters = {2, 3, 4, 5}, .latent_dim = 2}, input, 0);
  const at::Tensor clips = noise_tensor({3, input.channels, input.height, input.width}, 1);
  const PixelDistribution pixels = vae.generate(vae.embed(clips, {}), {});
  EXPECT_EQ(pixels.mean.sizes(), clips.sizes());
  EXPECT_EQ(pixels.variance.sizes(), clips.sizes());
  EXPECT_TRUE(at::isfinite(pixels.mean).all().item<bool>());
  for (const double variance : values(pixels.variance)) EXPECT_GT(variance, 0);
}

INSTANTIATE_TEST_SUITE_P(Vae, Sides,
                         testing::Values(InputShape{.channels = 1, .height = 16, .width = 16},
                                         InputShape{.channels = 1, .height = 17, .width = 16},
                                         InputShape{.channels = 1, .height = 16, .width = 31},
                                         InputShape{.channels = 3, .height = 15, .width = 33},
                                         InputShape{.channels = 2, .height = 1, .width = 5},
                                         InputShape{.channels = 1, .height = 1, .width = 1}));

TEST(Vae, GradientsAgreeWithFiniteDifferences) {
  for (const Likelihood likelihood : {Likelihood::kGaussian, Likelihood::kSquaredError}) {
    Vae vae = small_vae();
    for (const auto& [name, tensor] : vae.weights())
      if (tensor.is_floating_point()) tensor.set_data(tensor.to(at::kDouble));
    const at::Tensor clips = noise_tensor({5, 1, 9, 12}, 2).to(at::kDouble);
    const at::Tensor noise = noise_tensor({5, 3}, 3).to(at::kDouble);
    const auto loss = [&] { return training_loss(vae, clips, noise, likelihood).item<double>(); };

    const RequireGradients gradients(vae.parameters());
    training_loss(vae, clips, noise, likelihood).backward();
    const at::NoGradGuard no_grad;
    for (const auto& [name, parameter] : vae.parameters()) {
      ASSERT_TRUE(parameter.grad().defined()) << name;
      const at::Tensor flat = parameter.view(-1);
      for (int64_t i = 0; i < flat.size(0); i += 1 + flat.size(0) / 7) {  // a few of each
        constexpr double kStep = 1e-5;
        const double before = flat[i].item<double>();
        flat[i].fill_(before + kStep);
        const double above = loss();
        flat[i].fill_(before - kStep);
        const double below = loss();
        flat[i].fill_(before);
        const double expected = (above - below) / (2 * kStep);
        EXPECT_NEAR(parameter.grad().view(-1)[i].item<double>(), expected, 1e-5 * (1 + std::abs(expected))) << name;
      }
    }
  }
}

TEST(Vae, ScalingGivesBandsOfMean0AndVariance1AndLeavesConstantOnes) {
  Vae vae = small_vae({.channels = 2, .height = 3, .width = 4});
  at::Tensor clips = 5 + 3 * noise_tensor({6, 2, 3, 4}, 1);
  clips.select(1, 0).select(1, 1).fill_(0.1F);  // a band of no variance, at a number that binary cannot hold
  clips.select(1, 1).select(1, 2).fill_(0);
  vae.fit_scaling(clips);
  const at::Tensor scaled = vae.standardize(clips);
  for (int64_t channel = 0; channel < 2; ++channel)
    for (int64_t band = 0; band < 3; ++band) {
      const at::Tensor row = scaled.select(1, channel).select(1, band);
      const bool is_constant = (channel == 0 && band == 1) || (channel == 1 && band == 2);
      EXPECT_NEAR(row.mean().item<double>(), 0, 1e-6);
      EXPECT_NEAR(row.square().mean().item<double>(), is_constant ? 0 : 1, 1e-5);
    }
}

TEST(Vae, ScalingIsUndoneOnTheWayOut) {
  Vae plain = small_vae();
  Vae scaled = small_vae();
  const at::Tensor clips = noise_tensor({7, 9, 12}, 1);
  plain.fit_scaling(clips);
  scaled.fit_scaling(3 + 2 * clips);
  const at::Tensor latents = scaled.embed(3 + 2 * clips, {});
  expect_close(values(latents), values(plain.embed(clips, {})), 1e-4);
  const PixelDistribution pixels = scaled.generate(latents, {});
  const PixelDistribution expected = plain.generate(latents, {});
  expect_close(values(pixels.mean), values(3 + 2 * expected.mean), 1e-4);
  expect_close(values(pixels.variance), values(4 * expected.variance), 1e-4);
}

TEST(Vae, RefusesWhatItCannotBe) {
  const auto made = [](VaeOptions options, InputShape input = kInput) { Vae(options, input, 0); };
  EXPECT_EQ(rejected_parameter([&] { made({.filters = {}}); }), "filters");
  EXPECT_EQ(rejected_parameter([&] { made({.filters = {4, 0}}); }), "filters");
  EXPECT_EQ(rejected_parameter([&] { made({.latent_dim = 0}); }), "latent_dim");
  EXPECT_EQ(rejected_parameter([&] { made({.min_variance = 0}); }), "min_variance");
  EXPECT_EQ(rejected_parameter([&] { made({}, {.channels = 1, .height = 0, .width = 4}); }), "input_shape");
  Vae vae = small_vae();
  EXPECT_EQ(rejected_parameter([&] { vae.embed(noise_tensor({2, 9, 11}, 1), {}); }), "spectrograms");
  EXPECT_EQ(rejected_parameter([&] { vae.embed(noise_tensor({2, 2, 9, 12}, 1), {}); }), "spectrograms");
}

// ---- Losses

TEST(VaeLosses, AreTheFormulas) {
  const LatentDistribution latent{.mean = noise_tensor({3, 4}, 1), .log_variance = noise_tensor({3, 4}, 2)};
  const at::Tensor x = noise_tensor({3, 2, 3, 5}, 3);
  const PixelDistribution pixels{.mean = noise_tensor({3, 2, 3, 5}, 4),
                                 .variance = noise_tensor({3, 2, 3, 5}, 5).square() + 0.1};
  const auto mean = values(latent.mean), log_variance = values(latent.log_variance);
  const auto data = values(x), mu = values(pixels.mean), variance = values(pixels.variance);
  std::vector<double> kl(3), gaussian(3), squared(3);
  for (size_t i = 0; i < 12; ++i) {
    const double deviation = std::exp(0.5 * log_variance[i]);
    kl[i / 4] += 0.5 * (mean[i] * mean[i] + deviation * deviation - 1) - std::log(deviation);
  }
  for (size_t i = 0; i < 90; ++i) {
    const double error = data[i] - mu[i];
    const double density =
        std::exp(-error * error / (2 * variance[i])) / std::sqrt(2 * 3.14159265358979323846 * variance[i]);
    gaussian[i / 30] -= std::log(density);
    squared[i / 30] += error * error / variance[i];
  }
  expect_close(values(kl_divergence(latent)), kl, 1e-5);
  expect_close(values(pixel_loss(x, pixels, Likelihood::kGaussian)), gaussian, 1e-3);
  expect_close(values(pixel_loss(x, pixels, Likelihood::kSquaredError)), squared, 1e-3);
}

TEST(VaeLosses, TheDivergenceOfThePriorIs0) {
  const LatentDistribution prior{.mean = 0 * noise_tensor({2, 3}, 1), .log_variance = 0 * noise_tensor({2, 3}, 1)};
  EXPECT_EQ(values(kl_divergence(prior)), std::vector<double>({0, 0}));
}

TEST(VaeLosses, WarmUpRisesInALine) {
  EXPECT_EQ(kl_weight(2, 4, 0), 0.5);
  EXPECT_EQ(kl_weight(2, 4, 2), 1.5);
  EXPECT_EQ(kl_weight(2, 4, 3), 2);
  EXPECT_EQ(kl_weight(2, 4, 100), 2);
  EXPECT_EQ(kl_weight(2, 0, 0), 2);
}

// ---- Training

TEST(VaeTrainer, LearnsAHandfulOfClipsByHeart) {
  Vae vae = small_vae();
  // Two patterns, mixed.
  const at::Tensor clips =
      noise_tensor({6, 2, 1, 1}, 1).mul(noise_tensor({1, 2, 9, 12}, 2)).sum(1) + 0.1 * noise_tensor({6, 9, 12}, 3);
  std::vector<EpochReport> reports;
  FitListener listener;
  listener.on_epoch = [&](const EpochReport& report) {
    reports.push_back(report);
    return true;
  };
  VaeFitOptions options = short_fit(150);
  options.batch_size = 6;
  options.augment = options.corrupt = {};
  options.optimizer.lr = 1e-2;
  options.beta = 0.01;
  EXPECT_EQ(fit(vae, clips, nullptr, options, listener), 149);
  EXPECT_LT(reports.back().terms.at("reconstruction"), 0.6 * reports.front().terms.at("reconstruction"));
  const PixelDistribution pixels = vae.generate(vae.embed(clips, {}), {});
  const double error = (pixels.mean.squeeze(1) - clips).square().mean().item<double>();
  EXPECT_LT(error, 0.5 * clips.square().mean().item<double>());
  // The loss is the sum of its terms, and the weight rises as it should.
  for (size_t epoch = 0; epoch < reports.size(); ++epoch) {
    const auto& terms = reports[epoch].terms;
    EXPECT_DOUBLE_EQ(terms.at("beta"), epoch == 0 ? 0.005 : 0.01);
    EXPECT_NEAR(reports[epoch].loss, terms.at("reconstruction") + terms.at("beta") * terms.at("kl"), 1e-3);
    EXPECT_EQ(reports[epoch].num_clips, 6);
  }
}

TEST(VaeTrainer, TheSameSeedGivesTheSameBitsAndAnotherOneOthers) {
  const at::Tensor clips = noise_tensor({9, 9, 12}, 1);
  const auto trained = [&](uint64_t seed) {
    Vae vae = small_vae();
    VaeFitOptions options = short_fit(3);
    options.seed = seed;
    fit(vae, clips, nullptr, options, {});
    return copies(vae.weights());
  };
  EXPECT_TRUE(same_bits(trained(5), trained(5)));
  EXPECT_FALSE(same_bits(trained(5), trained(6)));
}

TEST(VaeTrainer, GoesOnWithTheSameBits) {
  const at::Tensor clips = noise_tensor({10, 9, 12}, 1);
  const at::Tensor validation = noise_tensor({4, 9, 12}, 2);
  VaeFitOptions options = short_fit(4);
  options.checkpoint_every = 5;  // in the second epoch of 3 steps, so that sums are under way
  options.optimizer.moving_average = 0.9;
  std::vector<TrainingState> states;
  std::vector<EpochReport> whole, rest;
  FitListener listener;
  listener.on_checkpoint = [&](const TrainingState& state) {
    states.push_back({.progress = state.progress, .tensors = copies(state.tensors)});
  };
  listener.on_epoch = [&](const EpochReport& report) {
    whole.push_back(report);
    return true;
  };
  Vae vae = small_vae();
  const int64_t best = fit(vae, clips, &validation, options, listener);
  Vae other = small_vae(kInput, 99);
  FitListener rest_listener;
  rest_listener.on_epoch = [&](const EpochReport& report) {
    rest.push_back(report);
    return true;
  };
  ASSERT_FALSE(states.empty());
  EXPECT_EQ(fit(other, clips, &validation, options, rest_listener, &states.front()), best);
  EXPECT_TRUE(same_bits(vae.weights(), other.weights()));
  ASSERT_EQ(rest.size(), 3U);
  for (size_t i = 0; i < rest.size(); ++i) {
    EXPECT_EQ(rest[i].loss, whole[i + 1].loss);
    EXPECT_EQ(rest[i].terms, whole[i + 1].terms);
    EXPECT_EQ(rest[i].validation_score, whole[i + 1].validation_score);
  }
}

TEST(VaeTrainer, KeepsTheEpochOfTheLowestValidationLoss) {
  const at::Tensor clips = noise_tensor({6, 9, 12}, 1);
  const at::Tensor validation = noise_tensor({5, 9, 12}, 2);
  Vae vae = small_vae();
  std::vector<NamedTensors> weights;
  std::vector<double> losses;
  FitListener listener;
  listener.on_epoch = [&](const EpochReport& report) {
    losses.push_back(-report.validation_score);
    weights.push_back(copies(vae.weights()));
    return true;
  };
  VaeFitOptions options = short_fit(30);
  options.optimizer.lr = 0.02;  // noise has nothing to learn: soon it is learned by heart
  options.patience = 8;
  const int64_t best = fit(vae, clips, &validation, options, listener);
  EXPECT_EQ(best, std::ranges::min_element(losses) - losses.begin());
  EXPECT_EQ(losses.size(), static_cast<size_t>(std::min<int64_t>(best + 9, 30)));
  EXPECT_TRUE(same_bits(vae.weights(), weights[static_cast<size_t>(best)]));
}

TEST(VaeTrainer, CorruptionChangesWhatTheEncoderSeesAlone) {
  // All is masked: nothing of a clip can be told from what the encoder sees, so its latent numbers become the prior's.
  const at::Tensor clips = noise_tensor({8, 9, 12}, 1);
  Vae vae = small_vae();
  VaeFitOptions options = short_fit(60);
  options.augment = {};
  options.optimizer.lr = 1e-2;
  options.corrupt = {GainOptions{.max_gain = 0, .max_offset = 0}};
  double kl = 0;
  FitListener listener;
  listener.on_epoch = [&](const EpochReport& report) {
    kl = report.terms.at("kl");
    return true;
  };
  fit(vae, clips, nullptr, options, listener);
  const double seen = kl;
  vae = small_vae();
  options.corrupt = {NoiseOptions{.std = 1000}};
  fit(vae, clips, nullptr, options, listener);
  EXPECT_LT(kl, 0.5 * seen);
}

TEST(VaeTrainer, AnInterruptLeavesItUsable) {
  const at::Tensor clips = noise_tensor({8, 9, 12}, 1);
  Vae vae = small_vae();
  int64_t polls = 0;
  FitListener listener;
  NamedTensors first_epoch;
  listener.on_epoch = [&](const EpochReport& report) {
    if (report.epoch == 0) first_epoch = copies(vae.weights());
    return true;
  };
  listener.poll = [&] {
    if (!first_epoch.empty() && ++polls == 5) throw Interrupted();
  };
  EXPECT_THROW(fit(vae, clips, nullptr, short_fit(10), listener), Interrupted);
  EXPECT_TRUE(same_bits(vae.weights(), first_epoch));
  for (const auto& [name, parameter] : vae.parameters()) EXPECT_FALSE(parameter.requires_grad()) << name;
  EXPECT_EQ(vae.embed(clips, {}).size(0), 8);
}

TEST(VaeTrainer, RefusesOptionsAndDataThatCannotBe) {
  Vae vae = small_vae();
  const at::Tensor clips = noise_tensor({4, 9, 12}, 1);
  const auto fitted = [&](const std::function<void(VaeFitOptions&)>& change) {
    VaeFitOptions options = short_fit(1);
    change(options);
    fit(vae, clips, nullptr, options, {});
  };
  EXPECT_EQ(rejected_parameter([&] { fitted([](auto& options) { options.beta = -1; }); }), "beta");
  EXPECT_EQ(rejected_parameter([&] { fitted([](auto& options) { options.beta = std::nan(""); }); }), "beta");
  EXPECT_EQ(rejected_parameter([&] { fitted([](auto& options) { options.warmup_epochs = -1; }); }), "warmup_epochs");
  EXPECT_EQ(rejected_parameter([&] { fitted([](auto& options) { options.batch_size = 1; }); }), "batch_size");
  EXPECT_EQ(rejected_parameter([&] { fitted([](auto& options) { options.epochs = 0; }); }), "epochs");
  EXPECT_EQ(
      rejected_parameter([&] { fitted([](auto& options) { options.augment = {RandomCropOptions{.frames = 5}}; }); }),
      "augment");
  EXPECT_EQ(
      rejected_parameter([&] { fitted([](auto& options) { options.corrupt = {RandomCropOptions{.frames = 5}}; }); }),
      "corrupt");
  const at::Tensor single = noise_tensor({1, 9, 12}, 1);
  EXPECT_THROW(fit(vae, single, nullptr, short_fit(1), {}), TrainingError);
  EXPECT_EQ(rejected_parameter([&] { fit(vae, noise_tensor({4, 9, 11}, 1), nullptr, short_fit(1), {}); }),
            "spectrograms");
}

}  // namespace
}  // namespace siamaudio

// Trains a variational autoencoder; no labels.
#pragma once

#include <cstdint>
#include <vector>

#include "model/vae.h"
#include "train/augment.h"
#include "train/batch_feed.h"
#include "train/training_loop.h"
#include "train/vae_losses.h"

namespace siamaudio {

struct VaeFitOptions : LoopOptions {
  int64_t batch_size = 20;                              ///< clips, 2 or more; every clip once an epoch, in random order
  Likelihood likelihood = Likelihood::kGaussian;        ///< of the pixels
  double beta = 1;                                      ///< >= 0: weight of the divergence
  int64_t warmup_epochs = 10;                           ///< >= 0: until it has that weight
  std::vector<AugmentOptions> augment;                  ///< of standardised clips; what comes of them is to be rebuilt
  std::vector<AugmentOptions> corrupt;                  ///< after them, of what the encoder sees alone
  FeatureMemory feature_memory = FeatureMemory::kAuto;  ///< the results have the same bits
};

/// Trains `vae` on the device where it is, as run_training() says, on (clips, height, width) or (clips, channels,
/// height, width) float32 on the CPU, two clips or more; its scaling stays as it is. The score of validation, which may
/// be null, is minus the loss of its clips as they are, with the full beta and the same noise each time. Terms of the
/// loss, means over clips: "reconstruction", "kl", and "beta", the weight of the latter. state may be null. Throws
/// ParameterError, and TrainingError for a single clip.
int64_t fit(Vae& vae, const at::Tensor& train, const at::Tensor* validation, const VaeFitOptions& options,
            const FitListener& listener, const TrainingState* state = nullptr);

}  // namespace siamaudio

// Trains a siamese network: sample, augment, encode, loss, step; one-shot accuracy of other classes as validation.
#pragma once

#include <cstdint>
#include <vector>

#include "model/siamese.h"
#include "train/augment.h"
#include "train/autocast.h"
#include "train/batch_feed.h"
#include "train/losses.h"
#include "train/sampling.h"
#include "train/training_loop.h"

namespace siamaudio {

struct FitOptions : LoopOptions {
  std::vector<LossOptions> losses;  ///< one or more; their weighted sum is what is minimised
  SamplerOptions sampler;
  std::vector<AugmentOptions> augment;  ///< in this order
  int64_t validation_ways = 5;          ///< classes of a validation task, at most the number of validation classes
  Precision precision = Precision::kFloat32;            ///< of the encoder; losses and head are float32
  FeatureMemory feature_memory = FeatureMemory::kAuto;  ///< the results have the same bits
};

/// Spectrograms with their classes. A class has at least two clips.
struct LabelledFeatures {
  at::Tensor spectrograms;      ///< (clips, height, width) or (clips, channels, height, width) float32, on the CPU
  std::vector<int64_t> labels;  ///< (clips,) in [0, num_classes)
  int64_t num_classes = 0;
};

/// Trains `network` on the device where it is, as run_training() says: validation is the exact one-shot accuracy, and
/// all embeddings becoming one is a TrainingError. validation and state may be null. Throws ParameterError.
int64_t fit(Siamese& network, const LabelledFeatures& train, const LabelledFeatures* validation,
            const FitOptions& options, const FitListener& listener, const TrainingState* state = nullptr);

}  // namespace siamaudio

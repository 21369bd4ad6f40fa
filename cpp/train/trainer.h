// The siamese training loop: sample, augment, encode, loss, step; validate, keep the best, stop, go on where it
// stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/poll.h"
#include "model/siamese.h"
#include "train/augment.h"
#include "train/autocast.h"
#include "train/batch_feed.h"
#include "train/losses.h"
#include "train/optimizers.h"
#include "train/sampling.h"

namespace siamaudio {

struct FitOptions {
  std::vector<LossOptions> losses;  ///< one or more; their weighted sum is what is minimised
  SamplerOptions sampler;
  std::vector<AugmentOptions> augment;  ///< in this order
  OptimizerOptions optimizer;
  int64_t epochs = 40;           ///< most epochs
  int64_t steps_per_epoch = 0;   ///< 0: the sampler's epoch
  int64_t patience = 10;         ///< epochs without a better validation accuracy before training stops; 0: never
  int64_t validation_freq = 1;   ///< epochs from one validation to the next; the last epoch is always validated
  int64_t validation_ways = 5;   ///< classes of a validation task, at most the number of validation classes
  int64_t checkpoint_every = 0;  ///< steps; 0: none
  Precision precision = Precision::kFloat32;            ///< of the encoder; losses and head are float32
  FeatureMemory feature_memory = FeatureMemory::kAuto;  ///< the results have the same bits
  uint64_t seed = 0;                                    ///< of batches, augmentation and dropout
};

/// Spectrograms with their classes. A class has at least two clips.
struct LabelledFeatures {
  at::Tensor spectrograms;      ///< (clips, height, width) or (clips, channels, height, width) float32, on the CPU
  std::vector<int64_t> labels;  ///< (clips,) in [0, num_classes)
  int64_t num_classes = 0;
};

struct StepReport {
  int64_t epoch;      ///< from 0
  int64_t step;       ///< steps done in this epoch
  int64_t num_steps;  ///< steps of this epoch
  double loss;        ///< mean over the epoch so far
};

struct EpochReport {
  int64_t epoch;
  double loss;                 ///< mean over the epoch's steps
  double validation_accuracy;  ///< exact one-shot accuracy; NaN where it was not measured
  double lr;                   ///< learning rate of the epoch's last step
  double seconds;              ///< training and validation
  int64_t num_clips;           ///< encoded, each side of a pair counted
  int64_t num_pairs;           ///< or triplets
};

/// Where a run stands, besides its tensors.
struct Progress {
  int64_t epoch = 0;          ///< under way, from 0
  int64_t step = 0;           ///< steps done in it
  int64_t total_steps = 0;    ///< steps done in all
  int64_t plan = 0;           ///< number of the sampler's epoch that batches are taken from
  int64_t position = 0;       ///< batches taken from it
  double loss_sum = 0;        ///< over the steps of this epoch
  int64_t num_clips = 0;      ///< of this epoch
  int64_t num_pairs = 0;      ///< of this epoch
  double seconds = 0;         ///< of this epoch
  int64_t best_epoch = -1;    ///< -1: the initial weights
  double best_accuracy = -1;  ///< -1: none measured yet
  bool is_finished = false;   ///< nothing is left to do but to take the best weights
};

/// All that a run needs to go on with the same bits. Of a network with the same options, and the same data.
struct TrainingState {
  Progress progress;
  NamedTensors tensors;  ///< "network.", "best.", "optimizer.", "average.", "memory.", "plateau." before the names
};

/// What a caller of fit() hears from it. Every member may be empty.
struct FitListener {
  Poll poll;
  std::function<void(const StepReport&)> on_step;
  /// Returns whether training is to go on. The network has the weights that were validated.
  std::function<bool(const EpochReport&)> on_epoch;
  /// The tensors are the run's own: they are to be written or copied before it returns.
  std::function<void(const TrainingState&)> on_checkpoint;
};

/// Trains `network` on the device where it is, and leaves it with the weights of its best epoch by validation accuracy
/// (without validation classes: of the last epoch). That also holds when an exception ends it: Interrupted by the
/// listener, TrainingError when loss or weights are no longer finite, all embeddings have become one, or memory runs
/// out; the last epoch is then the last complete one. A state goes on where it was taken. validation and state may be
/// null. Returns the epoch whose weights are kept, -1 for the initial ones. Throws ParameterError.
int64_t fit(Siamese& network, const LabelledFeatures& train, const LabelledFeatures* validation,
            const FitOptions& options, const FitListener& listener, const TrainingState* state = nullptr);

}  // namespace siamaudio

// The siamese training loop.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/poll.h"
#include "model/siamese.h"
#include "train/losses.h"
#include "train/optimizers.h"

namespace siamaudio {

enum class Pairing {
  /// Each clip of a batch is encoded once and every pair of the batch is formed on the embeddings: 40 clips give 780
  /// pairs. Batch norm sees one batch of clips.
  kInBatch,
  /// The literal siamese batch: the two sides of the pairs are encoded separately, and batch norm normalises them
  /// separately, as in Keras.
  kTwoSided,
};

/// "in-batch" or "two-sided". Throws ParameterError.
Pairing parse_pairing(const std::string& name);

struct FitOptions {
  Pairing pairing = Pairing::kInBatch;
  PairLoss loss = PairLoss::kBinaryCrossEntropy;
  OptimizerOptions optimizer;
  int64_t epochs = 40;
  int64_t patience = 10;        ///< epochs without a better validation accuracy before training stops; 0: never
  int64_t batch_size = 40;      ///< clips (in-batch) or pairs (two-sided)
  int64_t clips_per_class = 4;  ///< of a class in a batch (in-batch)
  double negative_ratio = 1;    ///< weight (in-batch) or number (two-sided) of negative pairs for each positive
  int64_t validation_ways = 5;  ///< classes of a validation task, at most the number of validation classes
  uint64_t seed = 0;
};

/// Spectrograms with their classes. A class has at least two clips.
struct LabelledFeatures {
  at::Tensor spectrograms;      ///< (clips, height, width) float32, on the CPU
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
  double validation_accuracy;  ///< exact one-shot accuracy; NaN without validation classes
  double learning_rate;        ///< of the epoch's last step
  double seconds;              ///< training and validation
  int64_t num_clips;           ///< encoded, each side of a pair counted
  int64_t num_pairs;
};

/// What a caller of fit() hears from it. Every member may be empty.
struct FitListener {
  Poll poll;
  std::function<void(const StepReport&)> on_step;
  std::function<void(const EpochReport&)> on_epoch;
};

/// Trains `network` on the device where it is, and leaves it with the weights of its best epoch by validation accuracy
/// (without validation classes: of the last epoch). That also holds when an exception ends it: Interrupted by the
/// listener, TrainingError when loss or weights are no longer finite; the last epoch is then the last complete one.
/// validation may be null. Returns the epoch whose weights are kept, -1 for the initial ones. Throws ParameterError.
int64_t fit(Siamese& network, const LabelledFeatures& train, const LabelledFeatures* validation,
            const FitOptions& options, const FitListener& listener);

}  // namespace siamaudio

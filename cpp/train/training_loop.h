// The loop of every training: plan batches, take a step on each, validate, keep the best, stop, go on where it stopped.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/poll.h"
#include "base/random.h"
#include "model/named_tensors.h"
#include "train/optimizers.h"
#include "train/sampling.h"

namespace siamaudio {

struct LoopOptions {
  OptimizerOptions optimizer;
  int64_t epochs = 40;           ///< most epochs
  int64_t steps_per_epoch = 0;   ///< 0: the plan's epoch
  int64_t patience = 10;         ///< epochs without a better validation score before training stops; 0: never
  int64_t validation_freq = 1;   ///< epochs from one validation to the next; the last epoch is always validated
  int64_t checkpoint_every = 0;  ///< steps; 0: none
  uint64_t seed = 0;             ///< of batches, augmentation and noise
};

/// Throws ParameterError where a number is out of its range.
void check(const LoopOptions& options);

struct StepReport {
  int64_t epoch;      ///< from 0
  int64_t step;       ///< steps done in this epoch
  int64_t num_steps;  ///< steps of this epoch
  double loss;        ///< mean over the epoch so far
};

struct EpochReport {
  int64_t epoch;
  double loss;                          ///< mean over the epoch's steps
  std::map<std::string, double> terms;  ///< what the loss is made of, likewise
  double validation_score;              ///< higher is better; NaN where it was not measured
  double lr;                            ///< learning rate of the epoch's last step
  double seconds;                       ///< training and validation
  int64_t num_clips;                    ///< encoded, each side of a pair counted
  int64_t num_pairs;                    ///< or triplets
};

/// Where a run stands, besides its tensors.
struct Progress {
  int64_t epoch = 0;                        ///< under way, from 0
  int64_t step = 0;                         ///< steps done in it
  int64_t total_steps = 0;                  ///< steps done in all
  int64_t plan = 0;                         ///< number of the sampler's epoch that batches are taken from
  int64_t position = 0;                     ///< batches taken from it
  double loss_sum = 0;                      ///< over the steps of this epoch
  std::map<std::string, double> term_sums;  ///< likewise
  int64_t num_clips = 0;                    ///< of this epoch
  int64_t num_pairs = 0;                    ///< of this epoch
  double seconds = 0;                       ///< of this epoch
  int64_t best_epoch = -1;                  ///< -1: the initial weights
  double best_score = 0;                    ///< of best_epoch, where that was validated
  bool is_finished = false;                 ///< nothing is left to do but to take the best weights
};

/// All that a run needs to go on with the same bits. Of a network with the same options, and the same data.
struct TrainingState {
  Progress progress;
  NamedTensors tensors;  ///< "network.", "best.", "optimizer.", "average.", "learner.", "plateau." before the names
};

/// What a caller hears from a training. Every member may be empty.
struct FitListener {
  Poll poll;
  std::function<void(const StepReport&)> on_step;
  /// Returns whether training is to go on. The network has the weights that were validated.
  std::function<bool(const EpochReport&)> on_epoch;
  /// The tensors are the run's own: they are to be written or copied before it returns.
  std::function<void(const TrainingState&)> on_checkpoint;
};

/// What a step draws from: seeded for it alone, so that no generator's state needs to be kept.
struct StepRandom {
  at::Generator noise;    ///< of the network's device: dropout, latent noise
  at::Generator augment;  ///< of the CPU
};

/// What is trained, on which data, by which loss. The loop owns optimizer, averages and the best weights.
class Learner {
 public:
  struct Value {
    at::Tensor loss;                                             ///< scalar, with the graph behind it
    int64_t num_clips = 0;                                       ///< encoded
    int64_t num_pairs = 0;                                       ///< or triplets
    std::vector<std::pair<std::string, at::Tensor>> terms = {};  // NOLINT(readability-redundant-member-init)
  };

  virtual ~Learner() = default;

  virtual at::Device device() const = 0;
  virtual NamedTensors parameters() const = 0;  ///< what steps change
  virtual NamedTensors weights() const = 0;     ///< what is kept of the best epoch: parameters and statistics

  virtual std::vector<Batch> plan_epoch(Random& random) const = 0;

  /// The option that makes batches smaller, for whoever runs out of memory.
  virtual std::string batch_size_option() const { return "batch_size"; }

  virtual Value loss(const Batch& batch, int64_t epoch, const StepRandom& random) = 0;

  /// Says which batch comes next, when the device has been given most of a step's work.
  virtual void fetch_ahead(const Batch&) {}

  /// Now and then after a step. Throws TrainingError where nothing more can be learned.
  virtual void check_learning(const Batch&, int64_t /*epoch*/) {}

  /// After the last step of an epoch.
  virtual void end_epoch(int64_t /*epoch*/) {}

  virtual bool validates() const = 0;
  virtual double validation_score(int64_t epoch) = 0;  ///< higher is better; asked for where validates()

  /// What else it needs to go on with the same bits.
  virtual NamedTensors state() const { return {}; }
  virtual void load_state(const NamedTensors&) {}
};

/// The error of a run in which `what` ("the loss is") is no longer finite.
TrainingError diverged(const std::string& what, int64_t epoch);

/// Trains, and leaves the learner with the weights of its best epoch by validation score (without validation: of the
/// last epoch). That also holds when an exception ends it: Interrupted by the listener, TrainingError when loss or
/// weights are no longer finite, nothing more can be learned, or memory runs out; the last epoch is then the last
/// complete one. A state, which may be null, goes on where it was taken. Returns the epoch whose weights are kept, -1
/// for the initial ones.
int64_t run_training(Learner& learner, const LoopOptions& options, const FitListener& listener,
                     const TrainingState* state);

}  // namespace siamaudio

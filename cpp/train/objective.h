// What a training minimises: the weighted sum of its losses over one batch.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/siamese.h"
#include "train/augment.h"
#include "train/class_memory.h"
#include "train/losses.h"
#include "train/sampling.h"

namespace siamaudio {

/// Throws ParameterError where a loss cannot be had from these batches, this network or these augmentations, or where
/// no loss would train the network's head.
void check_objective(const std::vector<LossOptions>& losses, const SamplerOptions& sampler,
                     const std::vector<AugmentOptions>& augment, const Siamese& network);

/// The kind of classifier that the losses train, or none.
std::optional<ClassifierKind> classifier_kind(const std::vector<LossOptions>& losses);

class Objective {
 public:
  struct Value {
    at::Tensor loss;           ///< scalar
    int64_t num_compared = 0;  ///< pairs or triplets
  };

  /// `network` has the classifier that the losses train. negative_ratio: weight of all negative pairs of a batch that
  /// lists none, for that of the positive ones.
  Objective(std::vector<LossOptions> losses, double negative_ratio, const Siamese& network, int64_t num_classes);

  /// embeddings: (clips, dim) of the batch's clips in their order; labels: (clips,) int64, on the same device. `mixed`
  /// is what augmentation has made of the clips.
  Value operator()(const Siamese& network, const at::Tensor& embeddings, const at::Tensor& labels, const Batch& batch,
                   const Augmented& mixed) const;

  /// Whether update_memory() wants to be called after each epoch, with the embeddings of all training clips.
  bool has_memory() const { return memory_.has_value(); }
  void update_memory(const at::Tensor& embeddings, const at::Tensor& labels, int64_t epoch, int64_t num_epochs);

  NamedTensors state() const { return memory_ ? memory_->state() : NamedTensors{}; }
  void load_state(const NamedTensors& state) {
    if (memory_) memory_->load_state(state);
  }

 private:
  std::vector<LossOptions> losses_;
  double negative_ratio_;
  std::optional<ClassMemory> memory_;
};

}  // namespace siamaudio

// One stored embedding a class, which the embeddings of the class are drawn to (Lloret 2019, section 5.3.3).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/named_tensors.h"
#include "train/losses.h"

namespace siamaudio {

class ClassMemory {
 public:
  /// Empty, on the device and with the type of `like`.
  ClassMemory(int64_t num_classes, int64_t embedding_size, const at::TensorOptions& like);

  /// Mean Euclidean distance of embeddings (clips, dim) to their classes' memories; a clip of a class without a memory
  /// counts as 0. labels (clips,) int64.
  at::Tensor loss(const at::Tensor& embeddings, const at::Tensor& labels) const;

  /// After epoch `epoch` (from 0) of `num_epochs`: moves each class's memory towards the mean of its embeddings, by the
  /// share that the schedule gives. The first update of a class stores the mean itself. A class that is absent keeps
  /// its memory.
  void update(const at::Tensor& embeddings, const at::Tensor& labels, MemorySchedule schedule, int64_t epoch,
              int64_t num_epochs);

  /// "memory" (classes, dim) and "is_set" (classes,): the object's own tensors.
  NamedTensors state() const;

  /// Values of another object's state(). Throws ParameterError where names or shapes differ.
  void load_state(const NamedTensors& state);

 private:
  at::Tensor memory_;
  at::Tensor is_set_;  // 1 for classes with a memory, else 0
};

}  // namespace siamaudio

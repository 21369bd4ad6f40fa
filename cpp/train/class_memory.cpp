#include "train/class_memory.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "model/copy_values.h"

namespace siamaudio {

ClassMemory::ClassMemory(int64_t num_classes, int64_t embedding_size, const at::TensorOptions& like)
    : memory_(at::zeros({num_classes, embedding_size}, like)), is_set_(at::zeros({num_classes}, like)) {}

at::Tensor ClassMemory::loss(const at::Tensor& embeddings, const at::Tensor& labels) const {
  const at::Tensor distances = at::linalg_vector_norm(embeddings - memory_.index_select(0, labels), 2, {1});
  return (distances * is_set_.index_select(0, labels)).mean();
}

void ClassMemory::update(const at::Tensor& embeddings, const at::Tensor& labels, MemorySchedule schedule, int64_t epoch,
                         int64_t num_epochs) {
  const at::NoGradGuard no_grad;
  // By a product of matrices: index_add_ has another order of sums in each run on CUDA.
  const at::Tensor classes = at::arange(memory_.size(0), labels.options());
  const at::Tensor members = classes.unsqueeze(1).eq(labels).to(memory_.scalar_type());
  const at::Tensor counts = members.sum(1, /*keepdim=*/true);
  const at::Tensor means = members.matmul(embeddings) / counts.clamp_min(1);

  const double progress = static_cast<double>(epoch) / static_cast<double>(num_epochs);
  const double share = schedule == MemorySchedule::kText ? 1 - progress : progress;
  const at::Tensor moved = at::where(is_set_.gt(0).unsqueeze(1), memory_ * (1 - share) + means * share, means);
  const at::Tensor is_present = counts.gt(0);
  memory_.copy_(at::where(is_present, moved, memory_));
  is_set_.masked_fill_(is_present.squeeze(1), 1);
}

NamedTensors ClassMemory::state() const { return {{"memory", memory_}, {"is_set", is_set_}}; }

void ClassMemory::load_state(const NamedTensors& state) { copy_values(this->state(), state, "class memory"); }

}  // namespace siamaudio

#include "model/siamese.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "base/errors.h"
#include "model/init.h"

namespace siamaudio {
namespace {

constexpr int64_t kEmbedBlock = 16;                    // clips; bounds the memory of the activations
constexpr int64_t kSimilarityBlockValues = 4'194'304;  // elements of one block of differences

}  // namespace

Siamese::Siamese(const SiameseOptions& options, const InputShape& input, uint64_t seed)
    : Siamese(options, input, make_generator(at::kCPU, seed)) {}

Siamese::Siamese(const SiameseOptions& options, const InputShape& input, const at::Generator& generator)
    : options_(options),
      input_(input),
      encoder_(options.encoder, input, generator),
      head_(options.encoder.embedding_size, 1, generator) {}

at::Tensor Siamese::encode(const at::Tensor& spectrograms, const Pass& pass) {
  return encoder_.forward(spectrograms, pass);
}

at::Tensor Siamese::pair_logits(const at::Tensor& a, const at::Tensor& b) const {
  return head_.forward(element_distance(a, b, options_.distance)).squeeze(-1);
}

at::Tensor Siamese::embed(const at::Tensor& spectrograms, const Poll& poll) {
  const at::NoGradGuard no_grad;
  const int64_t num_clips = spectrograms.size(0);
  at::Tensor embeddings = at::empty({num_clips, embedding_size()}, at::kFloat);
  const Pass pass{.is_training = false, .dropout_generator = {}, .poll = poll};
  for (int64_t start = 0; start < num_clips; start += kEmbedBlock) {
    const int64_t size = std::min(kEmbedBlock, num_clips - start);
    const at::Tensor block = spectrograms.narrow(0, start, size).to(device());
    embeddings.narrow(0, start, size).copy_(encode(block, pass));
  }
  return embeddings;
}

at::Tensor Siamese::similarity(const at::Tensor& a, const at::Tensor& b, const Poll& poll) const {
  const at::NoGradGuard no_grad;
  const at::Tensor right = b.to(device()).unsqueeze(0);
  at::Tensor similarities = at::empty({a.size(0), b.size(0)}, at::kFloat);
  const int64_t block_rows = std::max<int64_t>(1, kSimilarityBlockValues / std::max<int64_t>(1, b.numel()));
  for (int64_t start = 0; start < a.size(0); start += block_rows) {
    const int64_t rows = std::min(block_rows, a.size(0) - start);
    const at::Tensor left = a.narrow(0, start, rows).to(device()).unsqueeze(1);
    similarities.narrow(0, start, rows).copy_(pair_logits(left, right).sigmoid());
    if (poll) poll();
  }
  return similarities;
}

NamedTensors Siamese::parameters() const {
  NamedTensors all;
  append(all, "encoder", encoder_.parameters());
  append(all, "head", head_.parameters());
  return all;
}

NamedTensors Siamese::weights() const {
  NamedTensors all = parameters();
  append(all, "encoder", encoder_.buffers());
  return all;
}

void Siamese::set_weights(const NamedTensors& values) {
  const NamedTensors own = weights();
  for (const auto& [name, tensor] : own) {
    const auto value = std::ranges::find(values, name, [](const auto& entry) { return entry.first; });
    if (value == values.end()) throw ParameterError("weights", "no '" + name + "'", "every weight of the network");
    if (value->second.sizes() != tensor.sizes())
      throw ParameterError("weights", "another shape for '" + name + "'", "the shapes of this network's own weights");
  }
  if (values.size() != own.size())
    throw ParameterError("weights", std::to_string(values.size()) + " arrays",
                         "the " + std::to_string(own.size()) + " of this network");

  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : own) {
    const auto value = std::ranges::find(values, name, [](const auto& entry) { return entry.first; });
    tensor.copy_(value->second);
  }
}

at::Device Siamese::device() const { return head_.weight().device(); }

void Siamese::to(at::Device target) {
  if (target == device()) return;
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : weights()) {
    if (tensor.scalar_type() == at::kLong) continue;  // counters stay on the CPU
    tensor.set_data(tensor.to(target));
  }
}

}  // namespace siamaudio

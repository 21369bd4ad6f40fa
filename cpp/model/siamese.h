// The siamese network: one encoder for both sides, a distance, a learned head.
#pragma once

#include <cstdint>

#include "model/distance.h"
#include "model/encoder.h"
#include "model/named_tensors.h"

namespace siamaudio {

struct SiameseOptions {
  EncoderOptions encoder;
  Distance distance = Distance::kSquared;  ///< between the two embeddings, weighed by a dense layer of one unit
};

class Siamese {
 public:
  Siamese(const SiameseOptions& options, const InputShape& input, uint64_t seed);

  // ---- The two halves, as training uses them

  /// spectrograms: (clips, height, width) float32 on device() -> (clips, dim).
  at::Tensor encode(const at::Tensor& spectrograms, const Pass& pass);

  /// a, b: broadcastable (..., dim) -> logits (...); the sigmoid of a logit is P(same class).
  at::Tensor pair_logits(const at::Tensor& a, const at::Tensor& b) const;

  // ---- Inference

  /// spectrograms: (clips, height, width), any device -> (clips, dim) on the CPU. Blocks of clips, `poll` in between.
  at::Tensor embed(const at::Tensor& spectrograms, const Poll& poll);

  /// a: (n, dim), b: (m, dim) embeddings -> P(same class) (n, m) on the CPU; nothing of size (n, m, dim) is made.
  at::Tensor similarity(const at::Tensor& a, const at::Tensor& b, const Poll& poll) const;

  // ---- Weights

  NamedTensors parameters() const;  ///< what training changes
  NamedTensors weights() const;     ///< parameters and running statistics

  /// Copies the values of `values`, which has the names and shapes of weights().
  void set_weights(const NamedTensors& values);

  const InputShape& input_shape() const { return input_; }
  int64_t embedding_size() const { return options_.encoder.embedding_size; }
  at::Device device() const;
  void to(at::Device device);

 private:
  Siamese(const SiameseOptions& options, const InputShape& input, const at::Generator& generator);

  SiameseOptions options_;
  InputShape input_;
  Encoder encoder_;
  Dense head_;
};

}  // namespace siamaudio

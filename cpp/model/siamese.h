// The siamese network: one encoder for both sides, a distance, a head or none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/calibration.h"
#include "model/classifier.h"
#include "model/distance.h"
#include "model/encoder.h"
#include "model/layer_info.h"
#include "model/linear.h"
#include "model/named_tensors.h"
#include "model/workspace.h"
#include "model/yamnet_encoder.h"

namespace siamaudio {

/// What turns the distance of two embeddings into an answer.
enum class Head {
  kDense,  ///< a dense layer of one unit and a sigmoid: P(same class)
  kNone,   ///< nothing: the distance is the answer
};

/// "dense" or "none". Throws ParameterError.
Head parse_head(const std::string& name);

using AnyEncoderOptions = std::variant<EncoderOptions, YamnetEncoderOptions>;

struct SiameseOptions {
  AnyEncoderOptions encoder;
  Distance distance = Distance::kSquared;  ///< between the two embeddings; kEuclidean or kCosine without a head
  Head head = Head::kDense;
};

class Siamese {
 public:
  /// Throws ParameterError for options that are out of range or do not fit each other or the input.
  Siamese(const SiameseOptions& options, const InputShape& input, uint64_t seed);

  // ---- The parts, as training uses them; all arguments on device()

  /// spectrograms: (clips, height, width) or (clips, channels, height, width) float32 -> (clips, dim).
  at::Tensor encode(const at::Tensor& spectrograms, const Pass& pass);

  /// With a head. a, b: broadcastable (..., dim) -> logits (...); the sigmoid of a logit is P(same class).
  at::Tensor pair_logits(const at::Tensor& a, const at::Tensor& b) const;

  /// Without a head. a, b: broadcastable (..., dim) -> distances (...), 0 or more.
  at::Tensor pair_distances(const at::Tensor& a, const at::Tensor& b) const;

  bool has_head() const { return head_.has_value(); }

  /// Where a first part of the encoder is left alone by training: what that part makes of spectrograms, on the CPU,
  /// which encode() and embed() take in their place. Else nothing. Blocks of clips, `poll` in between.
  std::optional<at::Tensor> frozen_output(const at::Tensor& spectrograms, const Poll& poll) const;

  // ---- What some losses train beside it

  /// A classification layer on the embeddings, its weights the next draws of the constructor's seed. Replaces an
  /// earlier one.
  void add_classifier(int64_t num_classes, ClassifierKind kind);
  const std::optional<Classifier>& classifier() const { return classifier_; }

  /// embeddings: (..., dim) or (..., trained_size) -> (..., classes). Needs a classifier.
  at::Tensor classifier_logits(const at::Tensor& embeddings) const;

  // ---- Inference

  /// spectrograms: as for encode, any device -> (clips, dim) on the CPU, calibrated where a calibration is set. Blocks
  /// of clips, `poll` in between.
  at::Tensor embed(const at::Tensor& spectrograms, const Poll& poll);

  /// a: (n, dim), b: (m, dim), from embed -> (n, m) on the CPU, higher is more similar. P(same class) with a head; the
  /// cosine, or minus the Euclidean distance, without one; the cosine, whatever the head, where a calibration is set.
  /// Nothing of size (n, m, dim) is made.
  at::Tensor similarity(const at::Tensor& a, const at::Tensor& b, const Poll& poll) const;

  /// From now on embed() calibrates; encode() does not. Throws ParameterError for other sizes than the embedding's.
  void set_calibration(const Calibration& calibration);
  void clear_calibration() { calibration_.reset(); }
  bool is_calibrated() const { return calibration_.has_value(); }

  // ---- Weights

  NamedTensors parameters() const;  ///< what training changes: "encoder.*", "head.*", "classifier.*"
  NamedTensors weights() const;     ///< parameters, running statistics, "calibration.*"

  /// Copies the values of `values`, which has the names and shapes of weights().
  void set_weights(const NamedTensors& values);

  /// In the order of the data, without running any; a sum over num_parameters is that of parameters().
  std::vector<LayerInfo> layers() const;

  const SiameseOptions& options() const { return options_; }
  const InputShape& input_shape() const { return input_; }
  int64_t embedding_size() const;
  int64_t trained_size() const;  ///< of embeddings in training
  at::Device device() const { return device_; }
  void to(at::Device device);

 private:
  using AnyEncoder = std::variant<Encoder, YamnetEncoder>;

  static AnyEncoder make_encoder(const AnyEncoderOptions& options, const InputShape& input,
                                 const at::Generator& generator);

  SiameseOptions options_;
  InputShape input_;
  at::Generator initial_weights_;  // of the seed, on the CPU
  AnyEncoder encoder_;
  std::optional<Linear> head_;
  std::optional<Classifier> classifier_;
  std::optional<Calibration> calibration_;
  at::Device device_{at::kCPU};
  Workspace embed_workspace_;  // kept from call to call
};

}  // namespace siamaudio

// A layer that tells classes from embeddings.
#pragma once

#include <cstdint>
#include <string>

#include "model/layer_info.h"
#include "model/named_tensors.h"

namespace siamaudio {

enum class ClassifierKind {
  kLinear,  ///< weighted sums and a bias
  kCosine,  ///< cosines with one vector a class, for losses that scale them and set margins between them
};

/// "linear" or "cosine". Throws ParameterError.
ClassifierKind parse_classifier_kind(const std::string& name);

class Classifier {
 public:
  /// Glorot-uniform weights, zero bias.
  Classifier(int64_t num_inputs, int64_t num_classes, ClassifierKind kind, const at::Generator& generator);

  /// embeddings: (..., inputs) -> (..., classes): logits, or cosines in [-1, 1].
  at::Tensor forward(const at::Tensor& embeddings) const;

  ClassifierKind kind() const { return kind_; }
  int64_t num_classes() const { return weight_.size(0); }
  NamedTensors parameters() const;
  LayerInfo layer(const std::string& name) const;

 private:
  ClassifierKind kind_;
  at::Tensor weight_;  // (classes, inputs)
  at::Tensor bias_;    // (classes,), undefined for cosines
};

}  // namespace siamaudio

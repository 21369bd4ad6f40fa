#include "model/classifier.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

#include "base/choices.h"
#include "model/init.h"
#include "model/l2_normalize.h"

namespace siamaudio {

ClassifierKind parse_classifier_kind(const std::string& name) {
  constexpr Choices<ClassifierKind, 2> kKinds{
      {{"linear", ClassifierKind::kLinear}, {"cosine", ClassifierKind::kCosine}}};
  return parse_choice("classifier", name, kKinds);
}

Classifier::Classifier(int64_t num_inputs, int64_t num_classes, ClassifierKind kind, const at::Generator& generator)
    : kind_(kind), weight_(glorot_uniform({num_classes, num_inputs}, generator)) {
  if (kind == ClassifierKind::kLinear) bias_ = at::zeros({num_classes});
}

at::Tensor Classifier::forward(const at::Tensor& embeddings) const {
  if (kind_ == ClassifierKind::kLinear) return at::linear(embeddings, weight_, bias_);
  return at::linear(l2_normalize(embeddings), l2_normalize(weight_));
}

NamedTensors Classifier::parameters() const {
  NamedTensors all{{"weight", weight_}};
  if (bias_.defined()) all.emplace_back("bias", bias_);
  return all;
}

LayerInfo Classifier::layer(const std::string& name) const {
  return {.name = name,
          .kind = kind_ == ClassifierKind::kLinear ? "dense" : "cosine",
          .output_shape = {num_classes()},
          .num_parameters = weight_.numel() + (bias_.defined() ? bias_.numel() : 0),
          .flops = 2 * weight_.numel()};
}

}  // namespace siamaudio

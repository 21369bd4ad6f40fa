#include "model/distance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/matmul.h>

#include "base/errors.h"

namespace siamaudio {

Distance parse_distance(const std::string& name) {
  if (name == "absolute") return Distance::kAbsolute;
  if (name == "squared") return Distance::kSquared;
  throw ParameterError("distance", name, "'absolute' or 'squared'");
}

at::Tensor element_distance(const at::Tensor& a, const at::Tensor& b, Distance distance) {
  const at::Tensor difference = a - b;
  return distance == Distance::kAbsolute ? difference.abs() : difference.square();
}

Metric parse_metric(const std::string& name) {
  if (name == "cosine") return Metric::kCosine;
  if (name == "euclidean") return Metric::kEuclidean;
  throw ParameterError("metric", name, "'cosine' or 'euclidean'");
}

at::Tensor metric_similarity(const at::Tensor& a, const at::Tensor& b, Metric metric) {
  const at::Tensor left = a.to(at::kDouble);
  const at::Tensor right = b.to(at::kDouble);
  if (metric == Metric::kEuclidean) {
    constexpr int64_t kByDifferences = 2;  // |a|² + |b|² - 2ab would not give equal vectors the distance 0
    return at::cdist(left, right, 2.0, kByDifferences).neg_().to(at::kFloat);
  }
  const at::Tensor left_norms = left.square().sum(1).sqrt().unsqueeze(1);
  const at::Tensor right_norms = right.square().sum(1).sqrt().unsqueeze(0);
  constexpr double kTiny = 1e-300;  // only keeps 0 / 0 from being NaN
  return left.matmul(right.t()).div_((left_norms * right_norms).clamp_min_(kTiny)).to(at::kFloat);
}

}  // namespace siamaudio

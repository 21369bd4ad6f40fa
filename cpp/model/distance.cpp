#include "model/distance.h"

#include <ATen/TensorOperators.h>
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
  const at::Tensor products = left.matmul(right.t());
  const at::Tensor left_squares = left.square().sum(1).unsqueeze(1);
  const at::Tensor right_squares = right.square().sum(1).unsqueeze(0);
  if (metric == Metric::kCosine) {
    constexpr double kTiny = 1e-300;  // only keeps 0 / 0 from being NaN
    return products.div_((left_squares * right_squares).sqrt().clamp_min_(kTiny)).to(at::kFloat);
  }
  const at::Tensor squares = left_squares + right_squares - 2 * products;
  return squares.clamp_min_(0).sqrt_().neg_().to(at::kFloat);
}

}  // namespace siamaudio

#include "model/distance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cdist.h>
#include <ATen/ops/matmul.h>

#include "base/choices.h"
#include "model/l2_normalize.h"

namespace siamaudio {

Distance parse_distance(const std::string& name) {
  constexpr Choices<Distance, 5> kDistances{{{"absolute", Distance::kAbsolute},
                                             {"squared", Distance::kSquared},
                                             {"product", Distance::kProduct},
                                             {"euclidean", Distance::kEuclidean},
                                             {"cosine", Distance::kCosine}}};
  return parse_choice("distance", name, kDistances);
}

at::Tensor embedding_distance(const at::Tensor& a, const at::Tensor& b, Distance distance) {
  constexpr double kEpsilon = 1e-7;
  switch (distance) {
    case Distance::kAbsolute:
      return (a - b).abs();
    case Distance::kSquared:
      return (a - b).square();
    case Distance::kProduct:
      return a * b;
    case Distance::kEuclidean:
      return (a - b).square().sum(-1).clamp_min(kEpsilon).sqrt();
    case Distance::kCosine:
      return 1 - (l2_normalize(a) * l2_normalize(b)).sum(-1);
  }
  return {};  // not reached
}

Metric parse_metric(const std::string& name) {
  constexpr Choices<Metric, 2> kMetrics{{{"cosine", Metric::kCosine}, {"euclidean", Metric::kEuclidean}}};
  return parse_choice("metric", name, kMetrics);
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

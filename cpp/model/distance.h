// Distances between embeddings.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace siamaudio {

/// Element by element, for a head that weighs the elements.
enum class Distance {
  kAbsolute,  ///< |a - b|
  kSquared,   ///< (a - b)²
};

/// "absolute" or "squared". Throws ParameterError.
Distance parse_distance(const std::string& name);

/// a, b: broadcastable (..., dim) -> (..., dim).
at::Tensor element_distance(const at::Tensor& a, const at::Tensor& b, Distance distance);

/// One number a pair, higher is more similar, without learning.
enum class Metric {
  kCosine,     ///< cosine of the angle; 0 for a zero vector
  kEuclidean,  ///< minus the Euclidean distance
};

/// "cosine" or "euclidean". Throws ParameterError.
Metric parse_metric(const std::string& name);

/// a: (n, dim), b: (m, dim), float32 -> (n, m) float32. Computed in double and rounded once, so that equal pairs get
/// equal numbers wherever they stand in the matrix.
at::Tensor metric_similarity(const at::Tensor& a, const at::Tensor& b, Metric metric);

}  // namespace siamaudio

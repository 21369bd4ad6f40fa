// Distances between embeddings.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace siamaudio {

enum class Distance {
  // Element by element, for a head that weighs the elements
  kAbsolute,  ///< |a - b|
  kSquared,   ///< (a - b)²
  kProduct,   ///< a b

  // One number, 0 for equal embeddings
  kEuclidean,  ///< |a - b|; Keras's sqrt(max(sum, 1e-7)), whose gradient is finite at 0
  kCosine,     ///< 1 - cosine of the angle; 1 for a zero vector
};

/// "absolute", "squared", "product", "euclidean" or "cosine". Throws ParameterError.
Distance parse_distance(const std::string& name);

inline bool is_scalar(Distance distance) { return distance == Distance::kEuclidean || distance == Distance::kCosine; }

/// a, b: broadcastable (..., dim) -> (..., dim), or (...) where is_scalar(distance).
at::Tensor embedding_distance(const at::Tensor& a, const at::Tensor& b, Distance distance);

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

// The exponential moving average of a network's weights, which is often better than the last step's.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/named_tensors.h"

namespace siamaudio {

class MovingAverage {
 public:
  /// Of all tensors of `weights` (parameters and buffers) that are floating; starts at their present values.
  explicit MovingAverage(const NamedTensors& weights);

  /// After each step: average ← d average + (1 - d) weights with d = min(decay, (1 + t) / (10 + t)) for the t-th
  /// update, from 0, so that the average soon leaves the initial weights.
  void update(double decay);

  /// Exchanges the values of average and weights, in place; a second call undoes the first. Between them no update().
  void swap();

  /// The averages by their weights' names, and "num_updates", 0-d int64: the object's own tensors.
  NamedTensors state() const;

  /// Values of another object's state(). Throws ParameterError where names or shapes differ.
  void load_state(const NamedTensors& state);

 private:
  std::vector<std::string> names_;
  std::vector<at::Tensor> weights_;
  std::vector<at::Tensor> averages_;
  at::Tensor num_updates_;
};

}  // namespace siamaudio

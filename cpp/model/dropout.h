// Inverted dropout from an explicit generator (Srivastava et al. 2014).
#pragma once

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>

#include <cstdint>
#include <mutex>
#include <string>

#include "base/errors.h"
#include "model/pass.h"

namespace siamaudio {

/// Throws ParameterError unless `rate` is one.
inline void check_dropout(double rate, const std::string& name) {
  if (!(rate >= 0 && rate < 1)) throw ParameterError(name, std::to_string(rate), "a share from 0 up to 1, exclusive");
}

/// Sets each element to zero with probability `rate` and divides the others by 1 - rate; the identity outside training.
inline at::Tensor dropout(const at::Tensor& x, double rate, const Pass& pass) {
  if (!pass.is_training || rate == 0) return x;
  const at::Tensor kept = at::empty_like(x).bernoulli_(1 - rate, pass.dropout_generator).div_(1 - rate);
  return x * kept;
}

/// 64 random bits of a generator of the CPU, for a kernel's own generator.
inline uint64_t draw_seed(const at::Generator& generator) {
  auto* source = at::check_generator<at::CPUGeneratorImpl>(generator);
  const std::lock_guard lock(source->mutex_);
  return source->random64();
}

}  // namespace siamaudio

// Where a layer takes the memory for its results and for its scratch from.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <functional>

namespace siamaudio {

/// Gives a float32 tensor on the CPU of these sides and this order in memory, its values undefined.
using TakeTensor = std::function<at::Tensor(at::IntArrayRef sides, at::MemoryFormat format)>;

/// A new one each time.
inline at::Tensor take_new(at::IntArrayRef sides, at::MemoryFormat format) {
  return at::empty(sides, at::TensorOptions().dtype(at::kFloat).memory_format(format));
}

}  // namespace siamaudio

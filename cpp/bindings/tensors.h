// NumPy arrays as tensors and back.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include <cstring>
#include <vector>

#include "bindings/arrays.h"

namespace siamaudio {

/// A tensor on the array's own memory; the array must outlive it, and nobody may write to it.
inline at::Tensor as_tensor(const ArrayOf<float>& array) {
  const std::vector<int64_t> shape(array.shape(), array.shape() + array.ndim());
  return at::from_blob(const_cast<float*>(array.data()), shape, at::kFloat);
}

/// A new array with the values of a float32 tensor on any device. Needs the GIL.
inline pybind11::array_t<float> to_array(const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().to(at::kCPU).contiguous();
  auto array = new_array<float>(values.sizes().vec());
  std::memcpy(array.mutable_data(), values.const_data_ptr(), values.nbytes());
  return array;
}

}  // namespace siamaudio

// Tensors for the tests: from and to plain vectors, compared bit for bit.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>

#include <cstdint>
#include <string>
#include <vector>

#include "expect.h"
#include "model/named_tensors.h"

namespace siamaudio {

inline std::vector<double> values(const at::Tensor& tensor) {
  const at::Tensor doubles = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
  const double* data = doubles.const_data_ptr<double>();
  return {data, data + doubles.numel()};
}

/// float32 copies of `data`.
inline at::Tensor make_tensor(std::vector<float> data, at::IntArrayRef shape) {
  return at::from_blob(data.data(), shape, at::kFloat).clone();
}

inline at::Tensor noise_tensor(at::IntArrayRef shape, uint64_t seed) {
  int64_t size = 1;
  for (const int64_t side : shape) size *= side;
  return make_tensor(noise(size, seed), shape);
}

inline at::Tensor named(const NamedTensors& tensors, const std::string& name) {
  for (const auto& [own, tensor] : tensors)
    if (own == name) return tensor;
  ADD_FAILURE() << "no tensor '" << name << "'";
  return {};
}

inline NamedTensors copies(const NamedTensors& tensors) {
  NamedTensors all;
  for (const auto& [name, tensor] : tensors) all.emplace_back(name, tensor.detach().clone());
  return all;
}

/// Same names in the same order, same bits.
inline bool same_bits(const NamedTensors& a, const NamedTensors& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].first != b[i].first || !at::equal(a[i].second, b[i].second)) return false;
  return true;
}

}  // namespace siamaudio

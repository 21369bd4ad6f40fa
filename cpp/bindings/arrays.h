// NumPy arrays as they cross the boundary.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace siamaudio {

/// A caller's array as C-contiguous values of type T: itself where it already is, a converted copy otherwise.
template <typename T>
using ArrayOf = pybind11::array_t<T, pybind11::array::c_style | pybind11::array::forcecast>;

/// A new array of the given shape, uninitialised.
template <typename T>
pybind11::array_t<T> new_array(const std::vector<int64_t>& shape) {
  return pybind11::array_t<T>(std::vector<pybind11::ssize_t>(shape.begin(), shape.end()));
}

/// A new one-dimensional array with the values of a vector.
template <typename T>
pybind11::array_t<T> to_array(const std::vector<T>& values) {
  return pybind11::array_t<T>(static_cast<pybind11::ssize_t>(values.size()), values.data());
}

/// An array that takes over the values of a vector, in C order, without copying them.
template <typename T>
pybind11::array_t<T> to_array(std::vector<T>&& values, const std::vector<int64_t>& shape) {
  auto owner = std::make_unique<std::vector<T>>(std::move(values));
  const T* data = owner->data();
  const pybind11::capsule base(owner.get(), [](void* vector) { delete static_cast<std::vector<T>*>(vector); });
  owner.release();  // NOLINT(bugprone-unused-return-value): the capsule deletes it
  return pybind11::array_t<T>(std::vector<pybind11::ssize_t>(shape.begin(), shape.end()), data, base);
}

}  // namespace siamaudio

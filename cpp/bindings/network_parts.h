// Weights and layers of networks as they cross the boundary.
#pragma once

#include <pybind11/stl.h>

#include <map>
#include <string>

#include "bindings/tensors.h"
#include "model/layer_info.h"
#include "model/named_tensors.h"

namespace siamaudio {

/// Copies. Counters are int64 in the core; every weight crosses as float32, which holds them exactly up to 2^24.
inline pybind11::dict weights_to_dict(const NamedTensors& weights) {
  pybind11::dict entries;
  for (const auto& [name, tensor] : weights) entries[pybind11::str(name)] = to_array(tensor.to(at::kFloat));
  return entries;
}

/// On the arrays' own memory.
inline NamedTensors weights_from_dict(const std::map<std::string, ArrayOf<float>>& weights) {
  NamedTensors values;
  for (const auto& [name, array] : weights) values.emplace_back(name, as_tensor(array));
  return values;
}

inline pybind11::list layers_to_list(const std::vector<LayerInfo>& layers) {
  pybind11::list entries;
  for (const LayerInfo& layer : layers) {
    pybind11::dict entry;
    entry["name"] = layer.name;
    entry["kind"] = layer.kind;
    entry["output_shape"] = pybind11::tuple(pybind11::cast(layer.output_shape));
    entry["num_parameters"] = layer.num_parameters;
    entry["flops"] = layer.flops;
    entry["path"] = layer.path;
    entries.append(entry);
  }
  return entries;
}

}  // namespace siamaudio

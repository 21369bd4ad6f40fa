#include <pybind11/stl.h>

#include <ATen/ops/empty.h>

#include <map>

#include "bindings/core_module.h"
#include "bindings/python_poll.h"
#include "bindings/tensors.h"
#include "model/device.h"
#include "model/siamese.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

/// Counters are int64 in the core; every weight crosses as float32, which holds them exactly up to 2^24.
py::dict weights_to_dict(const Siamese& network) {
  py::dict weights;
  for (const auto& [name, tensor] : network.weights()) weights[py::str(name)] = to_array(tensor.to(at::kFloat));
  return weights;
}

void set_weights_from_dict(Siamese& network, const std::map<std::string, ArrayOf<float>>& weights) {
  NamedTensors values;
  for (const auto& [name, array] : weights) values.emplace_back(name, as_tensor(array));
  network.set_weights(values);
}

}  // namespace

void bind_siamese(py::module_& module) {
  py::class_<ConvBlockOptions>(module, "ConvBlockOptions")
      .def(py::init([](int64_t filters, int64_t kernel_size, bool batch_norm, int64_t pool_size, double dropout) {
             return ConvBlockOptions{.filters = filters,
                                     .kernel_size = kernel_size,
                                     .batch_norm = batch_norm,
                                     .pool_size = pool_size,
                                     .dropout = dropout};
           }),
           py::kw_only(), py::arg("filters"), py::arg("kernel_size"), py::arg("batch_norm"), py::arg("pool_size"),
           py::arg("dropout"));

  py::class_<Siamese>(module, "Siamese", "One encoder for both sides, a distance, a learned head.")
      .def(py::init([](const std::vector<ConvBlockOptions>& blocks, bool input_batch_norm, int64_t embedding_size,
                       bool embedding_batch_norm, double embedding_dropout, const std::string& distance, int64_t height,
                       int64_t width, uint64_t seed) {
             return std::make_unique<Siamese>(SiameseOptions{.encoder = {.input_batch_norm = input_batch_norm,
                                                                         .blocks = blocks,
                                                                         .embedding_size = embedding_size,
                                                                         .embedding_batch_norm = embedding_batch_norm,
                                                                         .embedding_dropout = embedding_dropout},
                                                             .distance = parse_distance(distance)},
                                              InputShape{.height = height, .width = width}, seed);
           }),
           py::kw_only(), py::arg("blocks"), py::arg("input_batch_norm"), py::arg("embedding_size"),
           py::arg("embedding_batch_norm"), py::arg("embedding_dropout"), py::arg("distance"), py::arg("height"),
           py::arg("width"), py::arg("seed"))
      .def(
          "to", [](Siamese& self, const std::string& device) { self.to(parse_device(device)); }, py::arg("device"),
          "Moves the weights.")
      .def(
          "num_parameters",
          [](const Siamese& self) {
            int64_t count = 0;
            for (const auto& [name, parameter] : self.parameters()) count += parameter.numel();
            return count;
          },
          "Numbers that training changes.")
      .def(
          "embed",
          [](Siamese& self, const ArrayOf<float>& spectrograms, int num_threads) {
            at::Tensor embeddings;
            {
              const py::gil_scoped_release release;
              const ThreadCount threads(num_threads);
              embeddings = self.embed(as_tensor(spectrograms), signal_poll());
            }
            return to_array(embeddings);
          },
          py::arg("spectrograms"), py::kw_only(), py::arg("num_threads"), "(clips, bands, frames) -> (clips, dim).")
      .def(
          "similarity",
          [](const Siamese& self, const ArrayOf<float>& a, const ArrayOf<float>& b, int num_threads) {
            at::Tensor similarity;
            {
              const py::gil_scoped_release release;
              const ThreadCount threads(num_threads);
              similarity = self.similarity(as_tensor(a), as_tensor(b), signal_poll());
            }
            return to_array(similarity);
          },
          py::arg("a"), py::arg("b"), py::kw_only(), py::arg("num_threads"),
          "Embeddings (n, dim) and (m, dim) -> P(same class) (n, m).")
      .def("weights", &weights_to_dict, "Copies of all weights: name -> float32 array.")
      .def("set_weights", &set_weights_from_dict, py::arg("weights"),
           "Replaces all weights; names and shapes of weights().");
}

}  // namespace siamaudio

#include <pybind11/stl.h>

#include <map>

#include "bindings/core_module.h"
#include "bindings/python_poll.h"
#include "bindings/tensors.h"
#include "model/device.h"
#include "model/yamnet.h"

namespace py = pybind11;

namespace siamaudio {

void bind_yamnet(py::module_& module) {
  py::class_<Yamnet>(module, "Yamnet", "MobileNet v1 on log-mel patches, and its classifier.")
      .def(py::init<int64_t>(), py::kw_only(), py::arg("num_classes"))
      .def(
          "to", [](Yamnet& self, const std::string& device) { self.to(parse_device(device)); }, py::arg("device"),
          "Moves the weights.")
      .def(
          "embed",
          [](const Yamnet& self, const ArrayOf<float>& spectrograms, int num_threads) {
            at::Tensor embeddings;
            {
              const py::gil_scoped_release release;
              const ThreadCount threads(num_threads);
              embeddings = self.embed(as_tensor(spectrograms), signal_poll());
            }
            return to_array(embeddings);
          },
          py::arg("spectrograms"), py::kw_only(), py::arg("num_threads"),
          "(clips, 64, frames) -> (clips, patches, 1024), for patches of 96 frames, one every 48.")
      .def(
          "scores",
          [](const Yamnet& self, const ArrayOf<float>& embeddings, int num_threads) {
            at::Tensor scores;
            {
              const py::gil_scoped_release release;
              const ThreadCount threads(num_threads);
              scores = self.scores(as_tensor(embeddings));
            }
            return to_array(scores);
          },
          py::arg("embeddings"), py::kw_only(), py::arg("num_threads"), "(n, 1024) -> (n, classes), each in [0, 1].")
      .def_property_readonly("num_classes", &Yamnet::num_classes)
      .def(
          "weights",
          [](const Yamnet& self) {
            py::dict weights;
            for (const auto& [name, tensor] : self.weights()) weights[py::str(name)] = to_array(tensor);
            return weights;
          },
          "Copies of all weights: name -> float32 array.")
      .def(
          "set_weights",
          [](Yamnet& self, const std::map<std::string, ArrayOf<float>>& weights) {
            NamedTensors values;
            for (const auto& [name, array] : weights) values.emplace_back(name, as_tensor(array));
            self.set_weights(values);
          },
          py::arg("weights"), "Replaces all weights; names and shapes of weights().");
}

}  // namespace siamaudio

#include <pybind11/stl.h>

#include <array>
#include <map>
#include <optional>

#include "bindings/core_module.h"
#include "bindings/input_shape.h"
#include "bindings/network_parts.h"
#include "bindings/python_poll.h"
#include "bindings/tensors.h"
#include "model/device.h"
#include "model/siamese.h"

namespace py = pybind11;

namespace siamaudio {

void bind_siamese(py::module_& module) {
  py::class_<Siamese>(module, "Siamese", "One encoder for both sides, a distance, a head or none.")
      .def(py::init([](const AnyEncoderOptions& encoder, const std::string& distance,
                       const std::optional<std::string>& head, std::array<int64_t, 3> input_shape, uint64_t seed) {
             return std::make_unique<Siamese>(SiameseOptions{.encoder = encoder,
                                                             .distance = parse_distance(distance),
                                                             .head = parse_head(head.value_or("none"))},
                                              to_input_shape(input_shape), seed);
           }),
           py::kw_only(), py::arg("encoder"), py::arg("distance"), py::arg("head"), py::arg("input_shape"),
           py::arg("seed"), "head: 'dense' or None; input_shape: (channels, bands, frames).")
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
          py::arg("spectrograms"), py::kw_only(), py::arg("num_threads"),
          "(clips, bands, frames) or (clips, channels, bands, frames) -> (clips, dim), calibrated where that is set.")
      .def(
          "embed_shifted",
          [](Siamese& self, const ArrayOf<float>& spectrograms, const std::vector<std::pair<int64_t, int64_t>>& shifts,
             int num_threads) {
            std::vector<Shift> moves;
            for (const auto& [bands, frames] : shifts) moves.push_back({.bands = bands, .frames = frames});
            at::Tensor embeddings;
            {
              const py::gil_scoped_release release;
              const ThreadCount threads(num_threads);
              embeddings = self.embed_shifted(as_tensor(spectrograms), moves, signal_poll());
            }
            return to_array(embeddings);
          },
          py::arg("spectrograms"), py::kw_only(), py::arg("shifts"), py::arg("num_threads"),
          "As embed, not calibrated: the means over the spectrograms moved by each (bands, frames).")
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

          "Embeddings (n, dim) and (m, dim) -> (n, m), higher is more similar.")
      .def(
          "add_classifier",
          [](Siamese& self, int64_t num_classes, const std::string& kind) {
            self.add_classifier(num_classes, parse_classifier_kind(kind));
          },
          py::arg("num_classes"), py::arg("kind"), "A classification layer on the embeddings: 'linear' or 'cosine'.")
      .def(
          "classifier_logits",
          [](const Siamese& self, const ArrayOf<float>& embeddings) {
            at::Tensor logits;
            {
              const py::gil_scoped_release release;
              logits = self.classifier_logits(as_tensor(embeddings).to(self.device()));
            }
            return to_array(logits);
          },
          py::arg("embeddings"), "Embeddings without calibration (n, dim) -> (n, classes).")
      .def(
          "set_calibration",
          [](Siamese& self, const ArrayOf<float>& power, const ArrayOf<float>& mean, const ArrayOf<float>& matrix,
             const ArrayOf<float>& shifts) {
            self.set_calibration({.power = as_tensor(power),
                                  .mean = as_tensor(mean),
                                  .matrix = as_tensor(matrix),
                                  .shifts = as_tensor(shifts)});
          },
          py::kw_only(), py::arg("power"), py::arg("mean"), py::arg("matrix"), py::arg("shifts"),
          "From now on embed() gives (p / |p| - mean) @ matrix with p = sign(z) |z|**power, z the mean over shifts (n, "
          "2).")
      .def("clear_calibration", &Siamese::clear_calibration, "embed() gives what the encoder makes again.")
      .def_property_readonly("is_calibrated", &Siamese::is_calibrated)
      .def_property_readonly("has_head", &Siamese::has_head)
      .def_property_readonly("has_classifier", [](const Siamese& self) { return self.classifier().has_value(); })
      .def_property_readonly("embedding_size", &Siamese::embedding_size)
      .def(
          "layers", [](const Siamese& self) { return layers_to_list(self.layers()); },
          "name, kind, output_shape, num_parameters, flops and path of each layer, for one clip.")
      .def(
          "weights", [](const Siamese& self) { return weights_to_dict(self.weights()); },
          "Copies of all weights: name -> float32 array.")
      .def(
          "set_weights",
          [](Siamese& self, const std::map<std::string, ArrayOf<float>>& weights) {
            self.set_weights(weights_from_dict(weights));
          },
          py::arg("weights"), "Replaces all weights; names and shapes of weights().");
}

}  // namespace siamaudio

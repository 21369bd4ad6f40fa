#include "model/encoder.h"

#include <pybind11/stl.h>

#include <utility>
#include <variant>

#include "bindings/core_module.h"
#include "bindings/input_shape.h"
#include "model/yamnet_encoder.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

Extent to_extent(const std::pair<int64_t, int64_t>& sides) { return {.height = sides.first, .width = sides.second}; }

}  // namespace

void bind_encoder(py::module_& module) {
  py::class_<ConvBlockOptions>(module, "ConvBlockOptions", "Sides are (height, width).")
      .def(py::init([](int64_t filters, std::pair<int64_t, int64_t> kernel_size, std::pair<int64_t, int64_t> stride,
                       const std::string& padding, bool batch_norm, const std::string& activation,
                       const std::string& pooling, std::pair<int64_t, int64_t> pool_size, double dropout) {
             return ConvBlockOptions{.filters = filters,
                                     .kernel_size = to_extent(kernel_size),
                                     .stride = to_extent(stride),
                                     .padding = parse_padding(padding),
                                     .batch_norm = batch_norm,
                                     .activation = parse_activation(activation),
                                     .pooling = parse_pooling(pooling),
                                     .pool_size = to_extent(pool_size),
                                     .dropout = dropout};
           }),
           py::kw_only(), py::arg("filters"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
           py::arg("batch_norm"), py::arg("activation"), py::arg("pooling"), py::arg("pool_size"), py::arg("dropout"));

  py::class_<DenseOptions>(module, "DenseOptions")
      .def(py::init([](int64_t units, bool batch_norm, const std::string& activation, double dropout) {
             return DenseOptions{.units = units,
                                 .batch_norm = batch_norm,
                                 .activation = parse_activation(activation),
                                 .dropout = dropout};
           }),
           py::kw_only(), py::arg("units"), py::arg("batch_norm"), py::arg("activation"), py::arg("dropout"));

  py::class_<EncoderOptions>(module, "EncoderOptions")
      .def(py::init([](bool input_batch_norm, std::vector<ConvBlockOptions> blocks, const std::string& pooling,
                       std::vector<DenseOptions> dense, bool l2_normalize) {
             return EncoderOptions{.input_batch_norm = input_batch_norm,
                                   .blocks = std::move(blocks),
                                   .pooling = parse_map_pooling(pooling),
                                   .dense = std::move(dense),
                                   .l2_normalize = l2_normalize};
           }),
           py::kw_only(), py::arg("input_batch_norm"), py::arg("blocks"), py::arg("pooling"), py::arg("dense"),
           py::arg("l2_normalize"));

  py::class_<YamnetEncoderOptions>(module, "YamnetEncoderOptions")
      .def(py::init([](bool trainable, std::vector<DenseOptions> dense, bool l2_normalize) {
             return YamnetEncoderOptions{
                 .trainable = trainable, .dense = std::move(dense), .l2_normalize = l2_normalize};
           }),
           py::kw_only(), py::arg("trainable"), py::arg("dense"), py::arg("l2_normalize"));

  module.def(
      "embedding_size",
      [](const std::variant<EncoderOptions, YamnetEncoderOptions>& encoder, std::array<int64_t, 3> input_shape) {
        return std::visit([&](const auto& options) { return embedding_size(options, to_input_shape(input_shape)); },
                          encoder);
      },
      py::arg("encoder"), py::kw_only(), py::arg("input_shape"),
      "Numbers of an embedding; input_shape: (channels, bands, frames).");
}

}  // namespace siamaudio

#include <pybind11/stl.h>

#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/errors.h"
#include "bindings/arrays.h"
#include "bindings/core_module.h"
#include "bindings/python_poll.h"
#include "score/nearest.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

template <typename Value>
std::span<const Value> as_span(const ArrayOf<Value>& array) {
  return {array.data(), static_cast<size_t>(array.size())};
}

template <typename Value>
std::span<const Value> as_span(const std::optional<ArrayOf<Value>>& array) {
  return array ? as_span(*array) : std::span<const Value>{};
}

void check_shape(const char* name, const ArrayOf<float>& vectors, int64_t dim) {
  if (vectors.ndim() == 2 && vectors.shape(1) == dim) return;
  std::string shape = "shape (";
  for (py::ssize_t axis = 0; axis < vectors.ndim(); ++axis) {
    if (axis > 0) shape += ", ";
    shape += std::to_string(vectors.shape(axis));
  }
  shape += ")";
  throw ParameterError(name, shape, "(n, " + std::to_string(dim) + "), as the index's vectors");
}

template <typename Value>
void check_length(const char* name, const std::optional<ArrayOf<Value>>& values, int64_t length, const char* of_what) {
  if (values && values->size() != length)
    throw ParameterError(name, std::to_string(values->size()) + " values",
                         std::to_string(length) + ", one for each " + of_what);
}

/// (queries, k) positions and similarities.
py::tuple search(const NearestIndex& index, const ArrayOf<float>& queries, int64_t k,
                 const std::optional<ArrayOf<uint8_t>>& allowed, const std::optional<ArrayOf<int64_t>>& query_groups,
                 const std::optional<ArrayOf<int64_t>>& item_groups, int num_threads) {
  check_shape("queries", queries, index.dim());
  if (query_groups.has_value() != item_groups.has_value())
    throw ParameterError("groups", "those of queries or of items alone", "both or none");
  check_length("allowed", allowed, index.size(), "vector");
  check_length("query_groups", query_groups, queries.shape(0), "query");
  check_length("item_groups", item_groups, index.size(), "vector");
  Neighbours found;
  {
    const SearchLimits limits{
        .allowed = as_span(allowed), .query_groups = as_span(query_groups), .item_groups = as_span(item_groups)};
    const py::gil_scoped_release release;
    found = index.search(as_span(queries), k, limits, num_threads, signal_poll());
  }
  const int64_t num_queries = queries.shape(0);
  return py::make_tuple(to_array(std::move(found.positions), {num_queries, k}),
                        to_array(std::move(found.similarities), {num_queries, k}));
}

}  // namespace

void bind_nearest(py::module_& module) {
  py::class_<NearestIndex>(module, "NearestIndex", "Vectors that are searched one against all, exactly.")
      .def(py::init([](int64_t dim, const std::string& metric, const std::string& storage) {
             return std::make_unique<NearestIndex>(dim, parse_search_metric(metric), parse_storage(storage));
           }),
           py::arg("dim"), py::arg("metric"), py::arg("storage") = "float32")
      .def(
          "add",
          [](NearestIndex& index, const ArrayOf<float>& vectors, int num_threads) {
            check_shape("vectors", vectors, index.dim());
            const py::gil_scoped_release release;
            index.add(as_span(vectors), num_threads, signal_poll());
          },
          py::arg("vectors"), py::kw_only(), py::arg("num_threads") = 0,
          "Append vectors (n, dim): all of them, or none where it raises.")
      .def("search", &search, py::arg("queries"), py::arg("k"), py::kw_only(), py::arg("allowed") = py::none(),
           py::arg("query_groups") = py::none(), py::arg("item_groups") = py::none(), py::arg("num_threads") = 0,
           "Queries (q, dim) -> positions (q, k), similarities (q, k): most similar first, ties by lowest position; "
           "where fewer than k may be found, -1 and -Inf follow. Nothing that is not allowed, or of the query's own "
           "group, is found.")
      .def(
          "vectors",
          [](const NearestIndex& index, int64_t begin, int64_t end) {
            std::vector<float> values;
            {
              const py::gil_scoped_release release;
              values = index.vectors(begin, end);
            }
            return to_array(std::move(values), {end - begin, index.dim()});
          },
          py::arg("begin"), py::arg("end"), "The vectors as they are kept, (end - begin, dim).")
      .def_property_readonly("size", &NearestIndex::size)
      .def_property_readonly("dim", &NearestIndex::dim)
      .def_property_readonly("num_bytes", &NearestIndex::num_bytes,
                             "What the vectors, and what is kept beside them, take in memory.")
      .def("__len__", &NearestIndex::size);
}

}  // namespace siamaudio

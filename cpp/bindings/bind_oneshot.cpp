#include <pybind11/stl.h>

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/core_module.h"
#include "bindings/python_poll.h"
#include "score/oneshot.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

std::vector<int64_t> to_vector(const ArrayOf<int64_t>& values) {
  return {values.data(), values.data() + values.size()};
}

/// similarity: (queries, clips) -> wins (queries, most_ways - 1), confusion (queries, classes) or None, support
/// influence (clips,).
template <typename Value>
py::tuple score(const ExactOneShot& task, const ArrayOf<Value>& similarity, int64_t first_query, int num_threads) {
  const int64_t num_queries = similarity.shape(0);
  OneShotScores scores;
  {
    const py::gil_scoped_release release;
    scores = task.score(std::span<const Value>(similarity.data(), static_cast<size_t>(similarity.size())), first_query,
                        num_threads, signal_poll());
  }
  py::object confusion = py::none();
  if (task.options().confusion)
    confusion = to_array(std::move(scores.confusion), {num_queries, task.clips().num_classes});
  return py::make_tuple(to_array(std::move(scores.wins), {num_queries, task.options().most_ways - 1}), confusion,
                        to_array(scores.support_influence));
}

}  // namespace

void bind_oneshot(py::module_& module) {
  py::class_<ExactOneShot>(module, "ExactOneShot", "One-shot tasks of all kinds that some clips allow.")
      .def(py::init([](const ArrayOf<int64_t>& labels, const std::optional<ArrayOf<int64_t>>& sources,
                       int64_t num_classes, int64_t ways, int64_t most_ways, bool confusion) {
             return ExactOneShot({.labels = to_vector(labels),
                                  .sources = sources ? to_vector(*sources) : std::vector<int64_t>{},
                                  .num_classes = num_classes},
                                 {.ways = ways, .most_ways = most_ways, .confusion = confusion});
           }),
           py::arg("labels"), py::kw_only(), py::arg("sources"), py::arg("num_classes"), py::arg("ways"),
           py::arg("most_ways"), py::arg("confusion"))
      .def("score", &score<float>, py::arg("similarity").noconvert(), py::kw_only(), py::arg("first_query"),
           py::arg("num_threads"))
      .def("score", &score<double>, py::arg("similarity"), py::kw_only(), py::arg("first_query"),
           py::arg("num_threads"),
           "Similarities (queries, clips) of the queries from first_query on -> wins (queries, most_ways - 1), "
           "confusion (queries, classes) or None, support influence (clips,).");
}

}  // namespace siamaudio

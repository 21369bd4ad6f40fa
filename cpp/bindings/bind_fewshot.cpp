#include <pybind11/stl.h>

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/core_module.h"
#include "bindings/python_poll.h"
#include "score/fewshot.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

template <typename Value>
std::span<const Value> as_span(const ArrayOf<Value>& array) {
  return {array.data(), static_cast<size_t>(array.size())};
}

/// shares: (tasks, queries a task, ways), written to.
using Shares = py::array_t<double, py::array::c_style>;

template <typename Value>
void score(const Tasks& tasks, const ArrayOf<Value>& similarity, Shares& shares, int64_t first_row,
           const std::string& merge, std::vector<double> weights, int64_t neighbours, int num_threads) {
  const std::span<double> out(shares.mutable_data(), static_cast<size_t>(shares.size()));
  const MergeOptions options{.merge = parse_merge(merge), .weights = std::move(weights), .neighbours = neighbours};
  const int64_t num_clips = similarity.shape(1);
  const py::gil_scoped_release release;
  score_tasks(tasks, as_span(similarity), first_row, num_clips, options, out, num_threads, signal_poll());
}

}  // namespace

void bind_fewshot(py::module_& module) {
  py::class_<Tasks>(module, "Tasks", "Sampled tasks: classes, supports and queries.")
      .def(py::init([](const ArrayOf<int64_t>& labels, const std::optional<ArrayOf<int64_t>>& sources,
                       int64_t num_classes, int64_t ways, int64_t shots, int64_t queries, int64_t tasks,
                       bool is_stratified, bool has_one_query, uint64_t seed, int num_threads) {
             const py::gil_scoped_release release;
             return draw_tasks(as_span(labels), sources ? as_span(*sources) : std::span<const int64_t>{}, num_classes,
                               {.ways = ways,
                                .shots = shots,
                                .queries = queries,
                                .tasks = tasks,
                                .is_stratified = is_stratified,
                                .has_one_query = has_one_query,
                                .seed = seed},
                               num_threads, signal_poll());
           }),
           py::arg("labels"), py::kw_only(), py::arg("sources"), py::arg("num_classes"), py::arg("ways"),
           py::arg("shots"), py::arg("queries"), py::arg("tasks"), py::arg("is_stratified"), py::arg("has_one_query"),
           py::arg("seed"), py::arg("num_threads"))
      .def(py::init(
               [](const ArrayOf<int64_t>& classes, const ArrayOf<int64_t>& supports, const ArrayOf<int64_t>& queries) {
                 return Tasks{.num_tasks = supports.shape(0),
                              .ways = supports.shape(1),
                              .shots = supports.shape(2),
                              .queries_per_task = queries.shape(1),
                              .classes = {classes.data(), classes.data() + classes.size()},
                              .supports = {supports.data(), supports.data() + supports.size()},
                              .queries = {queries.data(), queries.data() + queries.size()}};
               }),
           py::arg("classes"), py::arg("supports"), py::arg("queries"),
           "Tasks that were drawn elsewhere: (tasks, ways), (tasks, ways, shots), (tasks, queries a task).")
      .def_property_readonly(
          "classes", [](const Tasks& tasks) { return to_array(tasks.classes).reshape({tasks.num_tasks, tasks.ways}); },
          "(tasks, ways)")
      .def_property_readonly(
          "supports",
          [](const Tasks& tasks) {
            return to_array(tasks.supports).reshape({tasks.num_tasks, tasks.ways, tasks.shots});
          },
          "(tasks, ways, shots), clips")
      .def_property_readonly(
          "queries",
          [](const Tasks& tasks) { return to_array(tasks.queries).reshape({tasks.num_tasks, tasks.queries_per_task}); },
          "(tasks, queries a task), clips, class by class")
      .def("score", &score<float>, py::arg("similarity").noconvert(), py::arg("shares").noconvert(), py::kw_only(),
           py::arg("first_row"), py::arg("merge"), py::arg("weights"), py::arg("neighbours"), py::arg("num_threads"))
      .def(
          "score", &score<double>, py::arg("similarity"), py::arg("shares").noconvert(), py::kw_only(),
          py::arg("first_row"), py::arg("merge"), py::arg("weights"), py::arg("neighbours"), py::arg("num_threads"),
          "Similarities (rows, clips) of the clips from first_row on; sets the shares (tasks, queries a task, ways) of "
          "their queries.")
      .def(
          "score_centroids",
          [](const Tasks& tasks, const ArrayOf<float>& embeddings, Shares& shares, int num_threads) {
            const std::span<double> out(shares.mutable_data(), static_cast<size_t>(shares.size()));
            const int64_t dim = embeddings.shape(1);
            const py::gil_scoped_release release;
            score_centroids(tasks, as_span(embeddings), dim, out, num_threads, signal_poll());
          },
          py::arg("embeddings"), py::arg("shares").noconvert(), py::kw_only(), py::arg("num_threads"),
          "Embeddings (clips, dim); sets the shares (tasks, queries a task, ways).");
}

}  // namespace siamaudio

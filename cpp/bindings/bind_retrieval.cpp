#include <pybind11/stl.h>

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/core_module.h"
#include "bindings/python_poll.h"
#include "score/retrieval.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

template <typename Value>
std::vector<Value> to_vector(const ArrayOf<Value>& values) {
  return {values.data(), values.data() + values.size()};
}

template <typename Value>
py::tuple score(const ArrayOf<Value>& similarity, const std::vector<ArrayOf<int64_t>>& labellings,
                const std::optional<ArrayOf<int64_t>>& groups, const std::vector<int64_t>& ks, int64_t first_query,
                int num_threads) {
  RetrievalClips clips;
  for (const auto& labels : labellings) clips.labellings.push_back(to_vector(labels));
  if (groups) clips.groups = to_vector(*groups);
  RetrievalScores scores;
  {
    const py::gil_scoped_release release;
    scores = score_retrieval(clips, std::span<const Value>(similarity.data(), static_cast<size_t>(similarity.size())),
                             first_query, ks, num_threads, signal_poll());
  }
  const int64_t num_queries = similarity.shape(0);
  const auto num_ks = static_cast<int64_t>(ks.size());
  py::list each;
  for (auto& labelling : scores.labellings)
    each.append(py::make_tuple(to_array(labelling.relevant), to_array(labelling.is_tied),
                               to_array(std::move(labelling.found), {num_queries, num_ks}),
                               to_array(std::move(labelling.precisions), {num_queries, num_ks}),
                               to_array(labelling.average_precision), to_array(labelling.r_precision)));
  return py::make_tuple(to_array(scores.nearest), to_array(scores.met), each);
}

}  // namespace

void bind_retrieval(py::module_& module) {
  module.def("score_retrieval", &score<float>, py::arg("similarity").noconvert(), py::kw_only(), py::arg("labellings"),
             py::arg("groups"), py::arg("ks"), py::arg("first_query"), py::arg("num_threads"));
  module.def("score_retrieval", &score<double>, py::arg("similarity"), py::kw_only(), py::arg("labellings"),
             py::arg("groups"), py::arg("ks"), py::arg("first_query"), py::arg("num_threads"),
             "Similarities (queries, clips) of the queries from first_query on -> nearest (queries,), met (queries,), "
             "and for each labelling relevant (queries,), is_tied (queries,), found (queries, ks), precisions "
             "(queries, ks), average_precision (queries,), r_precision (queries,).");
}

}  // namespace siamaudio

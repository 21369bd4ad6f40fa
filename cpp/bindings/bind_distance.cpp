#include "bindings/core_module.h"
#include "bindings/tensors.h"
#include "model/distance.h"

namespace py = pybind11;

namespace siamaudio {

void bind_distance(py::module_& module) {
  module.def(
      "metric_similarity",
      [](const ArrayOf<float>& a, const ArrayOf<float>& b, const std::string& metric) {
        at::Tensor similarity;
        {
          const py::gil_scoped_release release;
          similarity = metric_similarity(as_tensor(a), as_tensor(b), parse_metric(metric));
        }
        return to_array(similarity);
      },
      py::arg("a"), py::arg("b"), py::kw_only(), py::arg("metric"),
      "(n, dim) and (m, dim) -> (n, m), higher is more similar; metric 'cosine' or 'euclidean'.");
}

}  // namespace siamaudio

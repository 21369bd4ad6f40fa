#include "bindings/arrays.h"
#include "bindings/core_module.h"
#include "bindings/python_poll.h"
#include "score/oneshot.h"

namespace py = pybind11;

namespace siamaudio {

void bind_oneshot(py::module_& module) {
  module.def(
      "exact_oneshot",
      [](const ArrayOf<double>& similarity, const ArrayOf<int64_t>& labels, int64_t num_classes, int64_t ways,
         int num_threads) {
        OneShotResult result;
        {
          const py::gil_scoped_release release;
          result = exact_oneshot({similarity.data(), static_cast<size_t>(similarity.size())},
                                 {labels.data(), static_cast<size_t>(labels.size())}, num_classes, ways, num_threads,
                                 signal_poll());
        }
        return py::make_tuple(result.accuracy, to_array(result.per_class),
                              to_array(result.confusion).reshape({num_classes, num_classes}));
      },
      py::arg("similarity"), py::arg("labels"), py::kw_only(), py::arg("num_classes"), py::arg("ways"),
      py::arg("num_threads"),
      "(accuracy, per class (classes,), confusion (classes, classes)) over every possible task.");
}

}  // namespace siamaudio

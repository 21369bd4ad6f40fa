#include "bindings/core_module.h"
#include "bindings/tensors.h"
#include "model/calibration.h"

namespace py = pybind11;

namespace siamaudio {

void bind_calibration(py::module_& module) {
  module.def(
      "fit_calibration",
      [](const ArrayOf<float>& embeddings, const ArrayOf<int64_t>& labels, double power, double shrinkage) {
        Calibration calibration;
        {
          const py::gil_scoped_release release;
          calibration = fit_calibration(as_tensor(embeddings), {labels.data(), static_cast<size_t>(labels.size())},
                                        {.power = power, .shrinkage = shrinkage});
        }
        return py::make_tuple(to_array(calibration.power), to_array(calibration.mean), to_array(calibration.matrix));
      },
      py::arg("embeddings"), py::arg("labels"), py::kw_only(), py::arg("power"), py::arg("shrinkage"),
      "(clips, dim), (clips,) -> power (), mean (dim,) and matrix (dim, dim) that whiten within classes.");
}

}  // namespace siamaudio

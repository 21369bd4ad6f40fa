#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include "bindings/core_module.h"
#include "kernels/kernels.h"
#include "model/device.h"
#include "simd/isa.h"

namespace py = pybind11;

namespace siamaudio {

void bind_device(py::module_& module) {
  module.def(
      "resolve_device", [](const std::string& device) { return parse_device(device).str(); }, py::arg("device"),
      "The device that 'auto', 'cpu', 'cuda' or 'cuda:N' stands for here.");
  module.def("num_threads", [] { return at::get_num_threads(); }, "CPU threads that LibTorch uses by default.");
  module.def(
      "fused_kernels",
      []() -> std::string {
        const Kernels* kernels = chosen_kernels();
        if (kernels == nullptr) return "off";
        return isa_name(chosen_isa()) + ", multiples of " + std::to_string(kernels->num_lanes) + " channels";
      },
      "Instruction set of our own kernels for networks, and the channel counts that they serve.");
  module.def("cpu_capability", [] { return at::get_cpu_capability(); }, "Instruction set of LibTorch's own kernels.");
}

}  // namespace siamaudio

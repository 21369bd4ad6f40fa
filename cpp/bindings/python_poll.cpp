#include "bindings/python_poll.h"

namespace py = pybind11;

namespace siamaudio {

Poll signal_poll() {
  return [] {
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw Interrupted();
  };
}

void call_python(const std::function<void()>& call) {
  const py::gil_scoped_acquire gil;
  try {
    call();
  } catch (py::error_already_set& error) {
    error.restore();
    throw Interrupted();
  }
}

}  // namespace siamaudio

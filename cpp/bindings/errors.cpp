#include "bindings/errors.h"

#include "base/errors.h"
#include "base/poll.h"

namespace py = pybind11;

namespace siamaudio {
namespace {

template <typename... Arguments>
void raise(const char* class_name, Arguments&&... arguments) {
  const py::object type = py::module_::import("siamaudio.errors").attr(class_name);
  const py::object error = type(std::forward<Arguments>(arguments)...);
  PyErr_SetObject(type.ptr(), error.ptr());
}

}  // namespace

void register_errors(py::module_&) {
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Interrupted&) {
      // The Poll that threw it has left Python's own exception (KeyboardInterrupt, or a callback's) pending.
      if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
    } catch (const ParameterError& error) {
      raise("ParameterError", error.parameter, error.received, error.accepted);
    } catch (const AudioError& error) {
      // A path is bytes; those that are no UTF-8 come back as os.fsdecode() gives them.
      const auto size = static_cast<py::ssize_t>(error.path.size());
      raise("AudioError", py::reinterpret_steal<py::str>(PyUnicode_DecodeFSDefaultAndSize(error.path.data(), size)),
            error.reason);
    } catch (const TrainingError& error) {
      raise("TrainingError", error.what());
    }
  });
}

}  // namespace siamaudio

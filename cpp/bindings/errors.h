// Turns the core's exceptions into siamaudio's Python exceptions.
#pragma once

#include <pybind11/pybind11.h>

namespace siamaudio {

/// Registers the translation for a module. Nothing else that the core throws is worded for users.
void register_errors(pybind11::module_& module);

}  // namespace siamaudio

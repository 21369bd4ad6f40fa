// The Poll that listens to Python: Ctrl-C, and the progress callback of the caller.
#pragma once

#include <pybind11/pybind11.h>

#include "base/poll.h"

namespace siamaudio {

/// Checks Python's signal handlers; call it without the GIL.
Poll signal_poll();

/// Runs `call`, which may use Python, with the GIL held. An exception that it raises stays pending in Python and
/// becomes Interrupted here, so that it crosses code that knows nothing of Python.
void call_python(const std::function<void()>& call);

}  // namespace siamaudio

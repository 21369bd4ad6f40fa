// What to say when memory runs out.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <utility>

#include "base/errors.h"

namespace siamaudio {

/// What a call asked for in vain, such as "2.50 GiB", where the exception being handled is that memory ran out, of the
/// CPU or of a device; "an unknown amount" where it does not say. None for other exceptions. Call it in a handler.
std::optional<std::string> memory_asked_in_vain();

/// Calls work(). Where memory runs out in it, throws a TrainingError that says how much `what` asked for on `device`,
/// and the `remedy`, in the imperative.
template <typename Work>
auto saying_what_needs_memory(const std::string& what, const std::string& remedy, at::Device device, Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (...) {
    const std::optional<std::string> asked = memory_asked_in_vain();
    if (!asked) throw;
    throw TrainingError("out of memory on " + device.str() + ": " + what + " asked for " + *asked +
                        " more than there is; " + remedy);
  }
}

}  // namespace siamaudio

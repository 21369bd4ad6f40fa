// How a long call notices that it should stop.
#pragma once

#include <exception>
#include <functional>

namespace siamaudio {

/// Called by long calls, on the thread that made the call, at least every 100 ms where the work can be divided that
/// finely. It throws Interrupted when the user has asked to stop. May be empty.
using Poll = std::function<void()>;

/// Thrown by a Poll; whoever catches it leaves every object usable and passes it on.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

}  // namespace siamaudio

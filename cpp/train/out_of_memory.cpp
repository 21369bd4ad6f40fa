#include "train/out_of_memory.h"

#include <c10/util/Exception.h>

#include <cstdio>
#include <exception>
#include <new>
#include <string_view>

namespace siamaudio {
namespace {

/// ATen's messages say "Tried to allocate 2.50 GiB. GPU 0 has ..." on a device and "you tried to allocate 2684354560
/// bytes. Error code 12 ..." on the CPU.
std::optional<std::string> amount_in(std::string_view message) {
  constexpr std::string_view kBefore = "ried to allocate ";
  const size_t found = message.find(kBefore);
  if (found == std::string_view::npos) return std::nullopt;
  message.remove_prefix(found + kBefore.size());
  if (const size_t number_end = message.find_first_not_of("0123456789");
      message.substr(number_end).starts_with(" bytes")) {
    char text[32];
    const double mebibytes = std::stod(std::string(message.substr(0, number_end))) / (1 << 20);
    if (mebibytes < 1024)
      std::snprintf(text, sizeof text, "%.2f MiB", mebibytes);
    else
      std::snprintf(text, sizeof text, "%.2f GiB", mebibytes / 1024);
    return text;
  }
  const size_t unit = message.find("iB");
  if (unit == std::string_view::npos || unit > 16) return std::nullopt;
  return std::string(message.substr(0, unit + 2));
}

}  // namespace

std::optional<std::string> memory_asked_in_vain() {
  constexpr const char* kUnknown = "an unknown amount";
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return amount_in(error.what_without_backtrace()).value_or(kUnknown);
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    if (message.find("can't allocate memory") == std::string::npos) return std::nullopt;
    return amount_in(message).value_or(kUnknown);
  } catch (const std::bad_alloc&) {
    return kUnknown;
  } catch (...) {
    return std::nullopt;
  }
}

}  // namespace siamaudio

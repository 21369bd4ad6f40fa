// From the CPU to a device, without waiting for what the device is at.
#pragma once

#include <ATen/core/Tensor.h>

namespace siamaudio {

/// `values`, of the CPU, on `device`. Where that is another, the copy takes its turn among the work that the device has
/// been given: what is given to it later finds the values there. (From memory that is not pinned the host would wait
/// until all of that work is done.)
inline at::Tensor upload(const at::Tensor& values, at::Device device) {
  return device.is_cpu() ? values : values.pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace siamaudio

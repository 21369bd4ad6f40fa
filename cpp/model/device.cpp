#include "model/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include "base/errors.h"

namespace siamaudio {

at::Device parse_device(const std::string& name) {
  const bool has_cuda = at::globalContext().hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0;
  if (name == "auto") return has_cuda ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  if (name == "cpu") return at::Device(at::kCPU);

  const std::string accepted =
      has_cuda ? "'auto', 'cpu', 'cuda' or 'cuda:N'" : "'auto' or 'cpu': no CUDA device is at hand";
  const bool is_cuda = name == "cuda" || (name.starts_with("cuda:") && name.size() > 5 && name.size() < 9 &&
                                          name.find_first_not_of("0123456789", 5) == std::string::npos);
  if (!is_cuda || !has_cuda) throw ParameterError("device", name, accepted);
  const int index = name == "cuda" ? 0 : std::stoi(name.substr(5));
  const auto num_devices = at::detail::getCUDAHooks().deviceCount();
  if (index >= num_devices)
    throw ParameterError("device", name, "'cuda:0' to 'cuda:" + std::to_string(num_devices - 1) + "'");
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

ThreadCount::ThreadCount(int num_threads) : previous_(at::get_num_threads()) {
  if (num_threads < 0)
    throw ParameterError("num_threads", std::to_string(num_threads), "1 or more, or 0 for torch's own choice");
  if (num_threads > 0) at::set_num_threads(num_threads);
}

ThreadCount::~ThreadCount() { at::set_num_threads(previous_); }

}  // namespace siamaudio

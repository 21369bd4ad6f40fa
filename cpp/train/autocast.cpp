#include "train/autocast.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>  // includes all of ATen, and has no narrower header

#include "base/errors.h"

namespace siamaudio {

Precision parse_precision(const std::string& name, at::Device device) {
  const bool has_bfloat16 = device.is_cuda() && at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
  if (name == "auto") return has_bfloat16 ? Precision::kBfloat16 : Precision::kFloat32;
  if (name == "float32") return Precision::kFloat32;
  if (name == "bf16" && has_bfloat16) return Precision::kBfloat16;
  throw ParameterError("precision", name,
                       has_bfloat16 ? "'auto', 'float32' or 'bf16'"
                                    : "'auto' or 'float32' on " + device.str() +
                                          ": bf16 needs a CUDA device of compute capability 8.0 or later");
}

const char* to_string(Precision precision) { return precision == Precision::kFloat32 ? "float32" : "bf16"; }

Autocast::Autocast(at::DeviceType device_type, Precision precision)
    : device_type_(device_type), is_on_(precision == Precision::kBfloat16) {
  if (!is_on_) return;
  at::autocast::set_autocast_dtype(device_type, at::kBFloat16);
  at::autocast::set_autocast_enabled(device_type, true);
}

Autocast::~Autocast() {
  if (!is_on_) return;
  at::autocast::set_autocast_enabled(device_type_, false);
  at::autocast::clear_cache();  // of rounded weights, which the optimizer is about to change
}

}  // namespace siamaudio

// In which numbers the encoder computes while it trains.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace siamaudio {

enum class Precision {
  kFloat32,
  kBfloat16,  ///< convolutions and dense layers and what lies between them; weights and statistics stay float32
};

/// "float32", "bf16", or "auto": bf16 on a CUDA device that computes in it, else float32. Throws ParameterError for
/// other words, and for bf16 on other devices.
Precision parse_precision(const std::string& name, at::Device device);

/// "float32" or "bf16".
const char* to_string(Precision precision);

/// For a scope, ATen's autocast where the precision is bf16: convolutions and matrix products round what comes to them;
/// the gradients of weights arrive in float32. Not to be nested.
class Autocast {
 public:
  Autocast(at::DeviceType device_type, Precision precision);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_type_;
  bool is_on_;
};

}  // namespace siamaudio

// Initial weights and random generators, from explicit seeds.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace siamaudio {

/// A generator of its own for a device; nothing here touches torch's global ones.
at::Generator make_generator(at::Device device, uint64_t seed);

/// Glorot and Bengio 2010, equation 16, Keras's default: uniform in ± sqrt(6 / (fan_in + fan_out)), where a
/// convolution's fans count the kernel's positions. shape: (out, in, ...). Drawn on the CPU, so that a seed gives the
/// same weights on every device.
at::Tensor glorot_uniform(at::IntArrayRef shape, at::Generator generator);

}  // namespace siamaudio

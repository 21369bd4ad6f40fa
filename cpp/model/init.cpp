#include "model/init.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/ops/empty.h>

#include <cmath>

namespace siamaudio {

at::Generator make_generator(at::Device device, uint64_t seed) {
  at::Generator generator =
      device.is_cpu() ? at::make_generator<at::CPUGeneratorImpl>()
                      : at::globalContext().getAcceleratorHooksInterface(device.type()).getNewGenerator(device.index());
  generator.set_current_seed(seed);
  return generator;
}

at::Tensor glorot_uniform(at::IntArrayRef shape, at::Generator generator) {
  at::Tensor weight = at::empty(shape, at::kFloat);
  const int64_t num_positions = weight[0][0].numel();
  const int64_t fans = (shape[0] + shape[1]) * num_positions;
  const double limit = std::sqrt(6.0 / static_cast<double>(fans));
  return weight.uniform_(-limit, limit, std::move(generator));
}

}  // namespace siamaudio

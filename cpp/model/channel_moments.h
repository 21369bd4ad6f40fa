// Mean and variance of each channel, as batch norm wants them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace siamaudio {

struct Moments {
  std::vector<double> mean;      // (channels,)
  std::vector<double> variance;  // divided by the number of values, not by one less
};

/// values: (pixels, channels), pixels >= 1, channels a multiple of the kernels' lanes.
Moments channel_moments(const float* values, int64_t num_pixels, int64_t channels, const Kernels& kernels);

/// Of all values as one channel, any number of them >= 1.
Moments total_moments(const float* values, int64_t count, const Kernels& kernels);

}  // namespace siamaudio

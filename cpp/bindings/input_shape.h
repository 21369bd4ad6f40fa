// Shapes of inputs as they cross the boundary.
#pragma once

#include <array>
#include <cstdint>

#include "model/encoder.h"

namespace siamaudio {

/// Of (channels, bands, frames).
inline InputShape to_input_shape(const std::array<int64_t, 3>& sides) {
  return {.channels = sides[0], .height = sides[1], .width = sides[2]};
}

}  // namespace siamaudio

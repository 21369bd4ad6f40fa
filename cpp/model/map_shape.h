// Sides of maps, kernels and strides. Height is frequency, width is time.
#pragma once

#include <cstdint>
#include <string>

namespace siamaudio {

/// Positions in height and width.
struct Extent {
  int64_t height = 1;
  int64_t width = 1;

  bool operator==(const Extent&) const = default;
};

/// What a layer takes or gives for one clip.
struct MapShape {
  int64_t channels = 1;
  int64_t height = 0;
  int64_t width = 0;
};

/// "2 x 3"
inline std::string to_string(const Extent& extent) {
  return std::to_string(extent.height) + " x " + std::to_string(extent.width);
}

}  // namespace siamaudio

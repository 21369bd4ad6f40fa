// Spectrograms moved by a few bands and frames: the sound stays the same, the embedding does not quite.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace siamaudio {

struct Shift {
  int64_t bands = 0;   ///< upwards; what moves out is lost, and the edge's band takes the place of what comes in
  int64_t frames = 0;  ///< later; what moves out at the end comes in at the beginning
};

/// spectrograms: (..., bands, frames) -> the same shape.
at::Tensor shifted(const at::Tensor& spectrograms, const Shift& shift);

}  // namespace siamaudio

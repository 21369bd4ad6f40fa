// What stands where a part of a spectrogram is taken away.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace siamaudio {

enum class Replacement {
  kSilence,    ///< one level
  kMean,       ///< the mean of the spectrogram, of each channel
  kNoise,      ///< normal noise with the spectrogram's mean and deviation, of each channel
  kNeighbour,  ///< the mean of the pixels around the segment, of each channel
};

/// "silence", "mean", "noise" or "neighbour". Throws ParameterError.
Replacement parse_replacement(const std::string& name);

/// spectrograms: (clips, channels, height, width) float32; segments: (clips, height, width) int64 from 0, both on the
/// CPU; levels: of silence, one a clip -> what takes the place of each pixel, of the spectrograms' shape. Noise is
/// drawn from the seed alone, the same for each clip but for its mean and deviation. A segment without neighbours gets
/// the mean.
at::Tensor replacement_values(const at::Tensor& spectrograms, const at::Tensor& segments, Replacement replacement,
                              const std::vector<float>& levels, uint64_t seed);

}  // namespace siamaudio

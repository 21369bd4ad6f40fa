// From files to spectrograms, several files at a time over threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audio/spectrogram.h"
#include "base/poll.h"

namespace siamaudio {

/// A clip that could not be read; its spectrogram is left untouched.
struct FailedClip {
  int64_t index;
  std::string path;
  std::string reason;
};

/// Decodes each file, mixes it to mono, resamples it to the options' rate, cuts or zero-pads it to `num_samples` and
/// transforms it into rows: (paths.size(), num_rows, num_frames(num_samples)). Returns the clips that failed.
std::vector<FailedClip> transform_files(const Spectrogram& spectrogram, const std::vector<std::string>& paths,
                                        int64_t num_samples, float* rows, int num_threads, const Poll& poll);

}  // namespace siamaudio

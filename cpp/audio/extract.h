// From clips to log-mel spectrograms, several clips at a time over threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audio/log_mel.h"
#include "base/poll.h"

namespace siamaudio {

/// A clip that could not be read; its spectrogram is left untouched.
struct FailedClip {
  int64_t index;
  std::string path;
  std::string reason;
};

/// samples: (num_clips, num_samples) at the options' sample rate;
/// decibels: (num_clips, num_mels, num_frames(num_samples)).
void transform_clips(const LogMel& log_mel, const float* samples, int64_t num_clips, int64_t num_samples,
                     float* decibels, int num_threads, const Poll& poll);

/// Decodes each file, mixes it to mono, resamples it to the options' rate, cuts or zero-pads it to `num_samples` and
/// transforms it into decibels: (paths.size(), num_mels, num_frames(num_samples)). Returns the clips that failed.
std::vector<FailedClip> transform_files(const LogMel& log_mel, const std::vector<std::string>& paths,
                                        int64_t num_samples, float* decibels, int num_threads, const Poll& poll);

}  // namespace siamaudio

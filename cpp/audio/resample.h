// Sample rate conversion by libsoxr.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace siamaudio {

/// Number of samples after resampling: ceil(num_samples * target / orig), as librosa counts.
/// Throws ParameterError where a rate is not above 0 Hz.
int64_t resampled_length(int64_t num_samples, double orig_sample_rate, double target_sample_rate);

/// One channel resampled at soxr's quality "HQ" (librosa's default), zero-padded or cut to resampled_length().
std::vector<float> resample(std::span<const float> samples, double orig_sample_rate, double target_sample_rate);

}  // namespace siamaudio

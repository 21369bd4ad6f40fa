// Sample rate conversion by libsoxr at quality "HQ", librosa's default.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

struct soxr;

namespace siamaudio {

/// Rates may be this many times apart, so that a rate from a damaged header cannot ask for any amount of memory.
constexpr double kMaxRateRatio = 256;

/// Whether a signal can be resampled from one rate to the other: both above 0 Hz, not too far apart.
bool can_resample(double orig_sample_rate, double target_sample_rate);

/// Number of samples after resampling: ceil(num_samples * target / orig).
/// Throws ParameterError where a rate is not above 0 Hz, or they are more than kMaxRateRatio apart.
int64_t resampled_length(int64_t num_samples, double orig_sample_rate, double target_sample_rate);

/// Resamples one channel block by block. However the signal is cut, the blocks that come out are the pieces of one
/// and the same result, resampled_length() samples in all.
class Resampler {
 public:
  /// Throws ParameterError as resampled_length() does.
  Resampler(double orig_sample_rate, double target_sample_rate);

  /// Takes the next samples and appends to `resampled` what is ready: less than has come, as the filter looks ahead.
  void push(std::span<const float> samples, std::vector<float>& resampled);
  /// Appends the rest. A new signal may then begin.
  void flush(std::vector<float>& resampled);

 private:
  struct Delete {
    void operator()(soxr* converter) const;
  };

  /// Appends what the converter makes of `num_samples` more samples, or of the end of the signal where there is no
  /// `samples`, as long as it is part of `length` samples in all.
  void process(const float* samples, size_t num_samples, int64_t length, std::vector<float>& resampled);

  double orig_sample_rate_;
  double target_sample_rate_;
  std::unique_ptr<soxr, Delete> converter_;  ///< none where the rates are equal
  int64_t num_taken_ = 0;                    ///< samples of this signal
  int64_t num_given_ = 0;                    ///< resampled samples of it
};

/// One channel at once: resampled_length() samples.
std::vector<float> resample(std::span<const float> samples, double orig_sample_rate, double target_sample_rate);

}  // namespace siamaudio

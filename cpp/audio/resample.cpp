#include "audio/resample.h"

#include <soxr.h>

#include <cmath>
#include <stdexcept>
#include <string>

#include "base/errors.h"

namespace siamaudio {
namespace {

void check_rate(const char* name, double rate) {
  if (!(rate > 0) || !std::isfinite(rate)) throw ParameterError(name, std::to_string(rate), "a sample rate above 0 Hz");
}

}  // namespace

int64_t resampled_length(int64_t num_samples, double orig_sample_rate, double target_sample_rate) {
  check_rate("orig_sr", orig_sample_rate);
  check_rate("target_sr", target_sample_rate);
  return static_cast<int64_t>(std::ceil(static_cast<double>(num_samples) * (target_sample_rate / orig_sample_rate)));
}

std::vector<float> resample(std::span<const float> samples, double orig_sample_rate, double target_sample_rate) {
  const int64_t length = resampled_length(static_cast<int64_t>(samples.size()), orig_sample_rate, target_sample_rate);
  if (orig_sample_rate == target_sample_rate) return {samples.begin(), samples.end()};
  std::vector<float> resampled(static_cast<size_t>(length));
  if (samples.empty() || length == 0) return resampled;

  const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  const soxr_runtime_spec_t runtime = soxr_runtime_spec(1);  // callers run several clips over threads
  size_t num_done = 0;
  const soxr_error_t error =
      soxr_oneshot(orig_sample_rate, target_sample_rate, 1, samples.data(), samples.size(), nullptr, resampled.data(),
                   resampled.size(), &num_done, &io, &quality, &runtime);
  if (error) throw std::runtime_error(std::string("libsoxr: ") + soxr_strerror(error));
  return resampled;  // what soxr left unwritten at the end stays zero
}

}  // namespace siamaudio

#include "audio/resample.h"

#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "base/errors.h"

namespace siamaudio {
namespace {

constexpr int64_t kBlockSamples = 8192;  // keeps soxr's queues in the cache: up to twice as fast as all at once

constexpr double kMaxRate = 1e9;  // Hz; lengths times rates stay far from where doubles end

bool is_rate(double rate) { return rate > 0 && rate <= kMaxRate; }

void check_rates(double orig_sample_rate, double target_sample_rate) {
  constexpr const char* kAccepted = "a sample rate above 0 Hz, up to 1e9 Hz";
  if (!is_rate(orig_sample_rate)) throw ParameterError("orig_sr", std::to_string(orig_sample_rate), kAccepted);
  if (!is_rate(target_sample_rate)) throw ParameterError("target_sr", std::to_string(target_sample_rate), kAccepted);
  if (!can_resample(orig_sample_rate, target_sample_rate))
    throw ParameterError(
        "target_sr", std::to_string(target_sample_rate),
        "a sample rate at most 256 times above or below orig_sr, which is " + std::to_string(orig_sample_rate) + " Hz");
}

void check(soxr_error_t error) {
  if (error) throw std::runtime_error(std::string("libsoxr: ") + soxr_strerror(error));
}

}  // namespace

bool can_resample(double orig_sample_rate, double target_sample_rate) {
  return is_rate(orig_sample_rate) && is_rate(target_sample_rate) &&
         target_sample_rate <= kMaxRateRatio * orig_sample_rate &&
         orig_sample_rate <= kMaxRateRatio * target_sample_rate;
}

int64_t resampled_length(int64_t num_samples, double orig_sample_rate, double target_sample_rate) {
  check_rates(orig_sample_rate, target_sample_rate);
  // Multiplied first: whole rates then give a whole number wherever the true quotient is one.
  return static_cast<int64_t>(std::ceil(static_cast<double>(num_samples) * target_sample_rate / orig_sample_rate));
}

Resampler::Resampler(double orig_sample_rate, double target_sample_rate)
    : orig_sample_rate_(orig_sample_rate), target_sample_rate_(target_sample_rate) {
  check_rates(orig_sample_rate, target_sample_rate);
  if (orig_sample_rate == target_sample_rate) return;
  const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  const soxr_runtime_spec_t runtime = soxr_runtime_spec(1);  // callers run several clips over threads
  soxr_error_t error = nullptr;
  converter_.reset(soxr_create(orig_sample_rate, target_sample_rate, 1, &error, &io, &quality, &runtime));
  check(error);
}

void Resampler::Delete::operator()(soxr* converter) const { soxr_delete(converter); }

void Resampler::process(const float* samples, size_t num_samples, int64_t length, std::vector<float>& resampled) {
  size_t room = 0;
  size_t num_done = 0;
  do {
    const size_t old_size = resampled.size();
    room = static_cast<size_t>(std::clamp<int64_t>(length - num_given_, 1, kBlockSamples));
    resampled.resize(old_size + room);
    size_t num_used = 0;
    const soxr_error_t error =
        soxr_process(converter_.get(), samples, num_samples, &num_used, resampled.data() + old_size, room, &num_done);
    resampled.resize(old_size + num_done);
    num_given_ += static_cast<int64_t>(num_done);
    check(error);
    if (samples) samples += num_used;
    num_samples -= num_used;
  } while (num_samples > 0 || (num_done == room && num_given_ < length));
}

void Resampler::push(std::span<const float> samples, std::vector<float>& resampled) {
  if (samples.empty()) return;
  num_taken_ += static_cast<int64_t>(samples.size());
  if (converter_)
    process(samples.data(), samples.size(), resampled_length(num_taken_, orig_sample_rate_, target_sample_rate_),
            resampled);
  else
    resampled.insert(resampled.end(), samples.begin(), samples.end());
}

void Resampler::flush(std::vector<float>& resampled) {
  if (converter_ && num_taken_ > 0) {
    const int64_t length = resampled_length(num_taken_, orig_sample_rate_, target_sample_rate_);
    const size_t whole_size = resampled.size() + static_cast<size_t>(length - num_given_);
    if (num_given_ < length) process(nullptr, 0, length, resampled);
    resampled.resize(whole_size);  // soxr's own count is rounded, so that a last sample may be missing
    check(soxr_clear(converter_.get()));
  }
  num_taken_ = num_given_ = 0;
}

std::vector<float> resample(std::span<const float> samples, double orig_sample_rate, double target_sample_rate) {
  Resampler resampler(orig_sample_rate, target_sample_rate);
  std::vector<float> resampled;
  resampled.reserve(static_cast<size_t>(
      resampled_length(static_cast<int64_t>(samples.size()), orig_sample_rate, target_sample_rate)));
  resampler.push(samples, resampled);
  resampler.flush(resampled);
  return resampled;
}

}  // namespace siamaudio

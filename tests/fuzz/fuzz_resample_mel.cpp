// Any samples at any rates are resampled and transformed, or the options are refused by ParameterError.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "audio/log_mel.h"
#include "audio/resample.h"
#include "base/errors.h"

namespace {

/// Resamples in blocks, which must give the same bits as all at once.
std::vector<float> resample(std::span<const float> samples, double orig_rate, double target_rate, size_t block_size) {
  siamaudio::Resampler resampler(orig_rate, target_rate);
  std::vector<float> resampled;
  for (size_t start = 0; start < samples.size(); start += block_size)
    resampler.push(samples.subspan(start, std::min(block_size, samples.size() - start)), resampled);
  resampler.flush(resampled);

  const auto at_once = siamaudio::resample(samples, orig_rate, target_rate);
  const auto length = siamaudio::resampled_length(static_cast<int64_t>(samples.size()), orig_rate, target_rate);
  const auto same_bits = [](float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); };
  if (static_cast<int64_t>(resampled.size()) != length) std::abort();
  if (!std::ranges::equal(resampled, at_once, same_bits)) std::abort();
  return resampled;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider provider(data, size);
  const bool any_rate = provider.ConsumeBool();
  const double orig_rate = any_rate ? provider.ConsumeFloatingPoint<double>() : provider.ConsumeIntegralInRange(1, 99);
  const double target_rate =
      any_rate ? provider.ConsumeFloatingPoint<double>() : provider.ConsumeIntegralInRange(1, 99);
  const size_t block_size = provider.ConsumeIntegralInRange<size_t>(1, 300);
  siamaudio::LogMelOptions options{.sample_rate = provider.ConsumeFloatingPoint<double>(),
                                   .n_fft = provider.ConsumeIntegralInRange<int64_t>(-2, 2048),
                                   .hop_length = provider.ConsumeIntegralInRange<int64_t>(-1, 4096),
                                   .num_mels = provider.ConsumeIntegralInRange<int64_t>(-1, 300),
                                   .fmin = provider.ConsumeFloatingPoint<double>(),
                                   .fmax = provider.ConsumeFloatingPoint<double>(),
                                   .ref = provider.ConsumeFloatingPoint<double>(),
                                   .amin = provider.ConsumeFloatingPoint<double>(),
                                   .top_db = {}};
  if (provider.ConsumeBool()) options.top_db = provider.ConsumeFloatingPoint<double>();
  if (provider.ConsumeBool()) options = {.sample_rate = 16000, .n_fft = 512, .hop_length = 100, .num_mels = 40};
  std::vector<float> samples;
  while (provider.remaining_bytes() >= 4 && samples.size() < 2000)
    samples.push_back(std::bit_cast<float>(provider.ConsumeIntegral<uint32_t>()));

  try {
    samples = resample(samples, orig_rate, target_rate, block_size);
  } catch (const siamaudio::ParameterError&) {  // the rates
  }
  samples.resize(std::min<size_t>(samples.size(), 5000));
  try {
    const siamaudio::LogMel log_mel(options);
    siamaudio::LogMel::Workspace workspace(log_mel);
    const int64_t num_frames = options.num_frames(static_cast<int64_t>(samples.size()));
    std::vector<float> decibels(static_cast<size_t>(options.num_mels * num_frames));
    log_mel.transform(samples, decibels.data(), workspace);
  } catch (const siamaudio::ParameterError&) {  // the front end's options
  }
  return 0;
}

// Any samples at any rates are resampled and transformed, or the options are refused by ParameterError.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <span>
#include <vector>

#include "simd/isa.h"
#include "audio/resample.h"
#include "audio/spectrogram.h"
#include "audio/spectrogram_stream.h"
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

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double any_number(FuzzedDataProvider& provider) {
  switch (provider.ConsumeIntegralInRange(0, 5)) {
    case 0:
      return provider.ConsumeFloatingPoint<double>();
    case 1:
      return std::bit_cast<double>(provider.ConsumeIntegral<uint64_t>());  // NaN and infinities too
    case 2:
      return kInfinity;
    default:
      return provider.ConsumeFloatingPointInRange<double>(0, 20000);
  }
}

siamaudio::SpectrogramOptions any_options(FuzzedDataProvider& provider) {
  using namespace siamaudio;
  const bool is_likely = provider.ConsumeBool();
  const int64_t n_fft = is_likely ? 2 * provider.ConsumeIntegralInRange<int64_t>(1, 200)
                                  : provider.ConsumeIntegralInRange<int64_t>(-2, 2048);
  const int64_t frame_length = provider.ConsumeIntegralInRange<int64_t>(is_likely ? 1 : -1, is_likely ? n_fft : 2048);
  SpectrogramOptions options{
      .sample_rate = is_likely ? 16000 : any_number(provider),
      .n_fft = n_fft,
      .framing = {.frame_length = frame_length,
                  .hop_length = provider.ConsumeIntegralInRange<int64_t>(is_likely ? 1 : -1, 4096),
                  .placement = static_cast<Placement>(provider.ConsumeIntegralInRange(0, 2)),
                  .pad_mode = static_cast<PadMode>(provider.ConsumeIntegralInRange(0, 4))},
      .window = std::vector<float>(static_cast<size_t>(std::max<int64_t>(0, frame_length)), 0.5F),
      .gain = is_likely ? 32768 : any_number(provider),
      .remove_dc = provider.ConsumeBool(),
      .preemphasis = is_likely ? 0.97 : any_number(provider),
      .kind = static_cast<SpectrumKind>(provider.ConsumeIntegralInRange(0, 2)),
      .mel = {},
      .log = {.kind = static_cast<LogKind>(provider.ConsumeIntegralInRange(0, 4)),
              .amin = is_likely ? 1e-10 : any_number(provider),
              .ref = {},
              .top_db = {},
              .offset = is_likely ? 1e-3 : any_number(provider)},
  };
  if (provider.ConsumeBool()) options.log.ref = is_likely ? 1 : any_number(provider);
  if (provider.ConsumeBool()) options.log.top_db = is_likely ? 80 : any_number(provider);
  if (provider.ConsumeBool())
    options.mel = MelOptions{.sample_rate = options.sample_rate,
                             .n_fft = n_fft,
                             .num_mels = provider.ConsumeIntegralInRange<int64_t>(is_likely ? 1 : -1, 300),
                             .fmin = is_likely ? 0 : any_number(provider),
                             .fmax = is_likely ? 8000 : any_number(provider),
                             .scale = provider.ConsumeBool() ? MelScale::kHtk : MelScale::kSlaney,
                             .area_norm = provider.ConsumeBool(),
                             .linear_in_mel = provider.ConsumeBool()};
  return options;
}

/// The whole clip and the clip in blocks must give the same bits on every instruction set.
void transform(const siamaudio::SpectrogramOptions& options, const std::vector<float>& samples, size_t block_size) {
  const siamaudio::Spectrogram spectrogram(options);
  const int64_t num_frames = spectrogram.num_frames(static_cast<int64_t>(samples.size()));
  std::vector<float> rows(static_cast<size_t>(spectrogram.num_rows() * num_frames));
  const bool is_finite = spectrogram.transform(samples, rows.data());

  std::vector<float> streamed(rows.size());
  siamaudio::SpectrogramStream stream(spectrogram);
  stream.start(streamed.data(), num_frames);
  for (size_t start = 0; start < samples.size(); start += block_size) {
    const size_t size = std::min(block_size, samples.size() - start);
    std::copy_n(samples.begin() + static_cast<int64_t>(start), size, stream.room(static_cast<int64_t>(size)));
    stream.push(static_cast<int64_t>(size));
  }
  if (stream.finish().is_finite != is_finite) std::abort();
  if (!is_finite) return;
  if (rows != streamed) std::abort();
  if (!std::ranges::all_of(rows, [](float value) { return std::isfinite(value); })) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider provider(data, size);
  const bool any_rate = provider.ConsumeBool();
  const double orig_rate = any_rate ? provider.ConsumeFloatingPoint<double>() : provider.ConsumeIntegralInRange(1, 99);
  const double target_rate =
      any_rate ? provider.ConsumeFloatingPoint<double>() : provider.ConsumeIntegralInRange(1, 99);
  const size_t block_size = provider.ConsumeIntegralInRange<size_t>(1, 300);
  const auto options = any_options(provider);
  const auto isas = siamaudio::usable_isas();
  const auto isa = isas[provider.ConsumeIntegralInRange<size_t>(0, isas.size() - 1)];
  setenv("SIAMAUDIO_ISA", siamaudio::isa_name(isa).c_str(), 1);
  std::vector<float> samples;
  while (provider.remaining_bytes() >= 4 && samples.size() < 2000)
    samples.push_back(std::bit_cast<float>(provider.ConsumeIntegral<uint32_t>()));

  try {
    samples = resample(samples, orig_rate, target_rate, block_size);
  } catch (const siamaudio::ParameterError&) {  // the rates
  }
  samples.resize(std::min<size_t>(samples.size(), 5000));
  try {
    transform(options, samples, block_size);
  } catch (const siamaudio::ParameterError&) {  // the front end's options
  }
  return 0;
}

#include "audio/log_mel.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "base/errors.h"

namespace siamaudio {
namespace {

constexpr int64_t kMaxFft = int64_t{1} << 24;

LogMelOptions checked(const LogMelOptions& options) {
  check(options);
  LogMelOptions resolved = options;
  if (resolved.fmax == 0) resolved.fmax = resolved.sample_rate / 2;
  return resolved;
}

MelOptions mel_options(const LogMelOptions& options) {
  return {.sample_rate = options.sample_rate,
          .n_fft = options.n_fft,
          .num_mels = options.num_mels,
          .fmin = options.fmin,
          .fmax = options.fmax};
}

}  // namespace

void check(const LogMelOptions& options) {
  if (!(options.sample_rate > 0) || !std::isfinite(options.sample_rate))
    throw ParameterError("sr", std::to_string(options.sample_rate), "a sample rate above 0 Hz");
  if (options.n_fft < 2 || options.n_fft % 2 != 0 || options.n_fft > kMaxFft)
    throw ParameterError("n_fft", std::to_string(options.n_fft), "an even number from 2 to " + std::to_string(kMaxFft));
  if (options.hop_length < 1)
    throw ParameterError("hop_length", std::to_string(options.hop_length), "at least 1 sample");
  if (options.num_mels < 1 || options.num_mels > options.n_fft / 2 + 1)
    throw ParameterError("n_mels", std::to_string(options.num_mels),
                         "1 to " + std::to_string(options.n_fft / 2 + 1) + " bands for this n_fft");
  const double nyquist = options.sample_rate / 2;
  const double fmax = options.fmax == 0 ? nyquist : options.fmax;
  if (!(fmax > 0 && fmax <= nyquist))
    throw ParameterError("fmax", std::to_string(fmax),
                         "above 0 Hz, up to half the sample rate (" + std::to_string(nyquist) + " Hz)");
  if (!(options.fmin >= 0 && options.fmin < fmax))
    throw ParameterError("fmin", std::to_string(options.fmin),
                         "0 Hz up to fmax (" + std::to_string(fmax) + " Hz), exclusive");
  if (!(options.ref > 0 && std::isfinite(options.ref)))
    throw ParameterError("ref", std::to_string(options.ref), "a finite power above 0");
  if (!(options.amin >= std::numeric_limits<float>::min() && std::isfinite(options.amin)))
    throw ParameterError("amin", std::to_string(options.amin),
                         "a finite power, 1.2e-38 (the least in single precision) or more");
  if (options.top_db && !(*options.top_db >= 0))
    throw ParameterError("top_db", std::to_string(*options.top_db), "0 dB or more, or None");
}

LogMel::Workspace::Workspace(const LogMel& log_mel)
    : fft_(static_cast<size_t>(log_mel.options_.n_fft)),
      frame_(static_cast<size_t>(log_mel.options_.n_fft)),
      power_(static_cast<size_t>(log_mel.options_.n_fft / 2 + 1)) {}

LogMel::LogMel(const LogMelOptions& options)
    : options_(checked(options)), filterbank_(mel_options(options_)), window_(static_cast<size_t>(options_.n_fft)) {
  for (size_t i = 0; i < window_.size(); ++i) {
    const double phase = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(options_.n_fft);
    window_[i] = static_cast<float>(0.5 - 0.5 * std::cos(phase));
  }
}

void LogMel::transform(std::span<const float> samples, float* decibels, Workspace& workspace) const {
  const int64_t num_mels = options_.num_mels;
  const int64_t num_frames = options_.num_frames(static_cast<int64_t>(samples.size()));
  workspace.mels_.resize(static_cast<size_t>(num_frames * num_mels));

  const auto num_samples = static_cast<int64_t>(samples.size());
  for (int64_t frame = 0; frame < num_frames; ++frame) {
    const int64_t start = frame * options_.hop_length - options_.n_fft / 2;
    const int64_t begin = std::clamp<int64_t>(-start, 0, options_.n_fft);
    const int64_t end = std::clamp<int64_t>(num_samples - start, begin, options_.n_fft);
    std::fill_n(workspace.frame_.begin(), begin, 0.0F);
    for (int64_t i = begin; i < end; ++i)
      workspace.frame_[static_cast<size_t>(i)] =
          samples[static_cast<size_t>(start + i)] * window_[static_cast<size_t>(i)];
    std::fill(workspace.frame_.begin() + end, workspace.frame_.end(), 0.0F);
    workspace.fft_.power(workspace.frame_.data(), workspace.power_.data());
    filterbank_.apply(workspace.power_.data(), workspace.mels_.data() + frame * num_mels);
  }

  // dB and transposition in one pass, then the floor, which needs the clip's loudest value.
  const auto amin = static_cast<float>(options_.amin);
  const auto ref_db = static_cast<float>(10 * std::log10(std::max(options_.amin, options_.ref)));
  float loudest = -std::numeric_limits<float>::infinity();
  for (int64_t frame = 0; frame < num_frames; ++frame) {
    for (int64_t band = 0; band < num_mels; ++band) {
      const float power = workspace.mels_[static_cast<size_t>(frame * num_mels + band)];
      const float value = 10 * std::log10(std::max(amin, power)) - ref_db;
      decibels[band * num_frames + frame] = value;
      loudest = std::max(loudest, value);
    }
  }
  if (options_.top_db) {
    const float floor = loudest - static_cast<float>(*options_.top_db);
    for (int64_t i = 0; i < num_mels * num_frames; ++i) decibels[i] = std::max(decibels[i], floor);
  }
}

}  // namespace siamaudio

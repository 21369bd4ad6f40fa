// Log-mel spectrograms in librosa's convention: power_to_db(feature.melspectrogram(y)).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "audio/fft.h"
#include "audio/mel.h"

namespace siamaudio {

struct LogMelOptions {
  double sample_rate = 44100;  ///< Hz
  int64_t n_fft = 2048;        ///< samples a frame, even; the Hann window is periodic and as long
  int64_t hop_length = 512;    ///< samples between frames
  int64_t num_mels = 128;
  double fmin = 0;                    ///< Hz
  double fmax = 0;                    ///< Hz; 0: half the sample rate
  double ref = 1;                     ///< power that becomes 0 dB
  double amin = 1e-10;                ///< power below which nothing is told apart
  std::optional<double> top_db = 80;  ///< dB kept below a clip's loudest value; none: all

  /// Frames of a clip: it is zero-padded by n_fft / 2 on both sides, so every clip has at least one.
  int64_t num_frames(int64_t num_samples) const { return 1 + num_samples / hop_length; }
};

/// Throws ParameterError where an option has no meaning.
void check(const LogMelOptions& options);

/// The tables of one set of options, shared by all threads, and the transform of one clip.
class LogMel {
 public:
  /// Buffers of one thread, reused from clip to clip.
  class Workspace {
   public:
    explicit Workspace(const LogMel& log_mel);

   private:
    friend class LogMel;
    RealFft fft_;
    std::vector<float> frame_;  ///< windowed samples
    std::vector<float> power_;  ///< bins
    std::vector<float> mels_;   ///< (frames, bands) of the clip
  };

  explicit LogMel(const LogMelOptions& options);

  const LogMelOptions& options() const { return options_; }

  /// decibels: (num_mels, num_frames(samples.size())), row by row.
  void transform(std::span<const float> samples, float* decibels, Workspace& workspace) const;

 private:
  LogMelOptions options_;
  MelFilterbank filterbank_;
  std::vector<float> window_;
};

}  // namespace siamaudio

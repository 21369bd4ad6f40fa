// Spectrograms of clips: complex, magnitude, power or mel, linear or logarithmic.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "audio/frame_kernel.h"
#include "audio/framing.h"
#include "audio/log_scale.h"
#include "audio/mel.h"
#include "base/poll.h"

namespace siamaudio {

struct SpectrogramOptions {
  double sample_rate = 44100;  ///< Hz
  int64_t n_fft = 2048;        ///< samples of the DFT, even
  Framing framing;             ///< its frame_length: samples read for a frame, at most n_fft; zeros fill the rest
  std::vector<float> window;   ///< frame_length values
  double gain = 1;             ///< factor of the samples: 32768 where a convention counts 16-bit integers
  bool remove_dc = false;      ///< subtract each frame's mean
  double preemphasis = 0;      ///< then x[i] -= preemphasis * x[i - 1] in each frame
  SpectrumKind kind = SpectrumKind::kPower;
  std::optional<MelOptions> mel;  ///< none: a row for each bin
  LogScale log;
};

/// Throws ParameterError where an option has no meaning.
void check(const SpectrogramOptions& options);

/// The larger of two, or NaN where one of them is.
inline float larger_or_nan(float a, float b) { return a >= b || a != a ? a : b; }

/// The tables of one set of options, shared by all threads, and the transform of clips.
class Spectrogram {
 public:
  explicit Spectrogram(SpectrogramOptions options);

  const SpectrogramOptions& options() const { return options_; }
  Isa isa() const { return isa_; }

  /// Mel bands, bins, or, of complex spectra, two rows a bin: real and imaginary parts.
  int64_t num_rows() const { return tables_.num_rows(); }
  int64_t num_frames(int64_t num_samples) const { return options_.framing.num_frames(num_samples); }

  /// clips: (num_clips, num_samples) at the options' sample rate; rows: (num_clips, num_rows, num_frames). Works over
  /// threads, on the clips and on parts of long ones. Returns the clips for which no finite values came out, because
  /// their samples are NaN, infinite, or too large to be squared.
  std::vector<int64_t> transform(const float* clips, int64_t num_clips, int64_t num_samples, float* rows,
                                 int num_threads, const Poll& poll = {}) const;

  /// One clip on the calling thread; false where no finite values came out.
  bool transform(std::span<const float> clip, float* rows) const;

 private:
  friend class SpectrogramStream;

  /// Buffers of one thread.
  struct Workspace {
    std::unique_ptr<FrameKernel> kernel;
    std::vector<const float*> lanes;
    std::vector<float> padded;  ///< samples of the lanes that reach beyond the clip
  };
  class Borrowed;

  /// Frames [first_frame, first_frame + num_frames) of a clip of which `samples` are those from `origin` on, into the
  /// columns of `rows`. Neither top_db nor a clip's own reference is applied yet: finish() does that, when the clip's
  /// largest value is known. Both transforms return the largest value, NaN where one is not finite.
  float transform_frames(std::span<const float> samples, int64_t origin, int64_t first_frame, int64_t num_frames,
                         float* rows, int64_t stride, Workspace& workspace) const;
  float transform_frames(std::span<const float> samples, int64_t origin, int64_t first_frame, int64_t num_frames,
                         float* rows, int64_t stride, int num_threads, const Poll& poll) const;
  /// Returns false where the clip holds values that are not finite.
  bool finish(float* rows, int64_t num_values, float loudest) const;

  SpectrogramOptions options_;
  FrameTables tables_;
  Isa isa_;
  int64_t num_lanes_ = 0;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;  ///< kept from call to call
};

}  // namespace siamaudio

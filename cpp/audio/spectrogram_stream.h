// The spectrogram of a clip that comes bit by bit, in memory that does not grow with it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "audio/spectrogram.h"
#include "base/poll.h"

namespace siamaudio {

/// Gives what Spectrogram::transform gives of the whole clip, to the bit. One clip after another: finish() makes it
/// ready for the next. Samples are kept only until their frames are done (all of them where the clip wraps around).
class SpectrogramStream {
 public:
  /// Frames are worked on over `num_threads` threads, which pays for clips of minutes. `spectrogram` must outlive it.
  explicit SpectrogramStream(const Spectrogram& spectrogram, int num_threads = 1);

  /// Begins a clip whose columns go to `rows`, each row `stride` values after the one before; columns from `stride` on
  /// are dropped.
  void start(float* rows, int64_t stride);

  /// Room for the next `num_samples` samples, to be written to and then handed over with push(), all or the first of
  /// them.
  float* room(int64_t num_samples);
  void push(int64_t num_samples, const Poll& poll = {});

  /// The clip is over. Returns its number of frames, written or dropped. `is_finite` tells whether all values are.
  struct Result {
    int64_t num_frames;
    bool is_finite;
  };
  Result finish(const Poll& poll = {});

 private:
  void transform(int64_t until_frame, const Poll& poll);

  const Spectrogram& spectrogram_;
  int num_threads_;
  int64_t frames_a_round_;
  float* rows_ = nullptr;
  int64_t stride_ = 0;
  std::vector<float> samples_;  ///< those of the clip from origin_ on, then room
  int64_t num_held_ = 0;        ///< how many of them are there
  int64_t origin_ = 0;          ///< position in the clip of samples_[0]
  int64_t next_frame_ = 0;
  float loudest_ = 0;
};

}  // namespace siamaudio

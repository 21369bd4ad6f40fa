// From samples to the columns of a spectrogram, as many frames at once as the processor has lanes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "audio/log_scale.h"
#include "audio/mel.h"
#include "simd/isa.h"

namespace siamaudio {

/// What is computed of each frame.
enum class SpectrumKind {
  kComplex,    ///< the DFT: a row of real parts and a row of imaginary parts for every bin
  kMagnitude,  ///< |X|
  kPower,      ///< |X|^2
};

/// Read-only tables that all kernels of one spectrogram share.
struct FrameTables {
  int64_t n_fft = 2048;       ///< even
  int64_t hop_length = 512;   ///< samples between frames
  std::vector<float> window;  ///< as many as are read for a frame, at most n_fft; zeros fill the rest
  bool remove_dc = false;     ///< subtract a frame's mean
  float preemphasis = 0;      ///< then x[i] -= preemphasis * x[i - 1], and x[0] -= preemphasis * x[0]
  SpectrumKind kind = SpectrumKind::kPower;
  std::optional<MelFilterbank> mel;
  LogScale log;

  int64_t num_bins() const { return n_fft / 2 + 1; }
  int64_t num_rows() const {
    if (mel) return mel->num_mels();
    return kind == SpectrumKind::kComplex ? 2 * num_bins() : num_bins();
  }
};

/// Owns its scratch: one object a thread. Implemented by frame_kernel_lanes.h once for each instruction set.
class FrameKernel {
 public:
  virtual ~FrameKernel();

  /// Runs of frames that are transformed side by side.
  virtual int num_lanes() const = 0;

  /// Lane l computes `run_length` consecutive frames from the samples at lanes[l], of which there must be
  /// (run_length - 1) * hop_length + window.size(), and writes them to columns l * run_length + [0, run_length) of
  /// `rows`, each row `stride` values after the one before. Columns from `num_frames` on are not written; a lane that
  /// has none but those reads its samples all the same. Returns the largest value written, NaN where one of
  /// them is not finite.
  virtual float transform(const float* const* lanes, int64_t run_length, int64_t num_frames, float* rows,
                          int64_t stride) = 0;
};

/// `tables` must outlive the kernel.
std::unique_ptr<FrameKernel> make_frame_kernel(const FrameTables& tables, Isa isa);

}  // namespace siamaudio

// Where the frames of a clip lie, and what stands beyond its ends.
#pragma once

#include <cstdint>
#include <span>

namespace siamaudio {

/// Which frames a clip has.
enum class Placement {
  kCentred,   ///< frame f is centred on sample f * hop (librosa and torch, center=True): 1 + n / hop frames
  kInside,    ///< frame f starts at sample f * hop, none reaches past the end (center=False; Kaldi, snip_edges)
  kMidpoint,  ///< frame f is centred on sample (f + 1/2) * hop (Kaldi without snip_edges): (n + hop / 2) / hop frames
};

/// What is read before a clip's first sample and after its last, as numpy.pad names it.
enum class PadMode { kConstant, kReflect, kSymmetric, kEdge, kWrap };

struct Framing {
  int64_t frame_length = 2048;  ///< samples read for one frame
  int64_t hop_length = 512;     ///< samples between frames
  Placement placement = Placement::kCentred;
  PadMode pad_mode = PadMode::kConstant;

  int64_t num_frames(int64_t num_samples) const;

  /// First sample of a frame; negative before the clip.
  int64_t start(int64_t frame) const;
};

/// Copies samples [start, start + length) of a clip that goes on beyond its ends as `pad_mode` says. An empty clip is
/// silence.
void read_padded(std::span<const float> clip, PadMode pad_mode, int64_t start, int64_t length, float* samples);

}  // namespace siamaudio

#include "audio/framing.h"

#include <algorithm>

namespace siamaudio {
namespace {

/// `index` modulo `period`, in [0, period).
int64_t modulo(int64_t index, int64_t period) { return ((index % period) + period) % period; }

/// Which sample of a clip of `size` samples stands for one beyond its ends.
int64_t inner_index(int64_t index, int64_t size, PadMode pad_mode) {
  switch (pad_mode) {
    case PadMode::kReflect: {  // the first and the last sample stand once
      if (size == 1) return 0;
      const int64_t position = modulo(index, 2 * (size - 1));
      return position < size ? position : 2 * (size - 1) - position;
    }
    case PadMode::kSymmetric: {  // the first and the last sample stand twice
      const int64_t position = modulo(index, 2 * size);
      return position < size ? position : 2 * size - 1 - position;
    }
    case PadMode::kWrap:
      return modulo(index, size);
    case PadMode::kConstant:
    case PadMode::kEdge:
      break;
  }
  return std::clamp<int64_t>(index, 0, size - 1);
}

}  // namespace

int64_t Framing::num_frames(int64_t num_samples) const {
  switch (placement) {
    case Placement::kCentred:
      return 1 + num_samples / hop_length;
    case Placement::kInside:
      return num_samples < frame_length ? 0 : 1 + (num_samples - frame_length) / hop_length;
    case Placement::kMidpoint:
      return (num_samples + hop_length / 2) / hop_length;
  }
  return 0;
}

int64_t Framing::start(int64_t frame) const {
  const int64_t first = frame * hop_length;
  switch (placement) {
    case Placement::kCentred:
      return first - frame_length / 2;
    case Placement::kInside:
      return first;
    case Placement::kMidpoint:
      return first + hop_length / 2 - frame_length / 2;
  }
  return first;
}

void read_padded(std::span<const float> clip, PadMode pad_mode, int64_t start, int64_t length, float* samples) {
  const auto size = static_cast<int64_t>(clip.size());
  const int64_t begin = std::clamp<int64_t>(-start, 0, length);
  const int64_t end = std::clamp<int64_t>(size - start, begin, length);
  if (end > begin) std::copy_n(clip.data() + start + begin, end - begin, samples + begin);
  const auto fill = [&](int64_t first, int64_t last) {
    if (pad_mode == PadMode::kConstant || size == 0) {
      std::fill(samples + first, samples + last, 0.0F);
      return;
    }
    for (int64_t i = first; i < last; ++i)
      samples[i] = clip[static_cast<size_t>(inner_index(start + i, size, pad_mode))];
  };
  fill(0, begin);
  fill(end, length);
}

}  // namespace siamaudio

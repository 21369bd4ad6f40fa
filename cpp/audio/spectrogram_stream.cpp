#include "audio/spectrogram_stream.h"

#include <algorithm>
#include <limits>

#include "base/parallel.h"

namespace siamaudio {
namespace {

constexpr int64_t kFramesAPieceAndThread = 512;

}  // namespace

SpectrogramStream::SpectrogramStream(const Spectrogram& spectrogram, int num_threads)
    : spectrogram_(spectrogram),
      num_threads_(resolve_num_threads(num_threads)),
      frames_a_round_(kFramesAPieceAndThread * num_threads_) {}

void SpectrogramStream::start(float* rows, int64_t stride) {
  rows_ = rows;
  stride_ = stride;
  num_held_ = origin_ = next_frame_ = 0;
  loudest_ = -std::numeric_limits<float>::infinity();
}

float* SpectrogramStream::room(int64_t num_samples) {
  const auto needed = static_cast<size_t>(num_held_ + num_samples);
  if (samples_.size() < needed) samples_.resize(std::max(needed, samples_.size() + samples_.size() / 2));
  return samples_.data() + num_held_;
}

void SpectrogramStream::push(int64_t num_samples, const Poll& poll) {
  num_held_ += num_samples;
  const Framing& framing = spectrogram_.options().framing;
  if (framing.pad_mode == PadMode::kWrap) return;  // either end goes on with the other
  // The frames of a round lie wholly in what is there: they need nothing that is still to come.
  const auto round_end = [&] { return framing.start(next_frame_ + frames_a_round_ - 1) + framing.frame_length; };
  while (next_frame_ < stride_ && round_end() <= origin_ + num_held_) transform(next_frame_ + frames_a_round_, poll);

  // What the next frame needs, and a frame's length before it, which the end may mirror.
  const int64_t keep_from = next_frame_ < stride_ ? framing.start(next_frame_) - framing.frame_length
                                                  : origin_ + num_held_ - 2 * framing.frame_length;
  const int64_t num_dropped = std::min(keep_from - origin_, num_held_);
  if (num_dropped < frames_a_round_ * framing.hop_length && num_dropped < num_held_ / 2) return;
  if (num_dropped <= 0) return;
  std::copy(samples_.begin() + num_dropped, samples_.begin() + num_held_, samples_.begin());
  num_held_ -= num_dropped;
  origin_ += num_dropped;
}

SpectrogramStream::Result SpectrogramStream::finish(const Poll& poll) {
  const int64_t num_frames = spectrogram_.num_frames(origin_ + num_held_);
  transform(num_frames, poll);
  const int64_t num_written = std::min(num_frames, stride_);
  bool is_finite = true;
  for (int64_t row = 0; row < spectrogram_.num_rows(); ++row)
    is_finite = spectrogram_.finish(rows_ + row * stride_, num_written, loudest_) && is_finite;
  return {.num_frames = num_frames, .is_finite = is_finite || num_written == 0};
}

void SpectrogramStream::transform(int64_t until_frame, const Poll& poll) {
  until_frame = std::min(until_frame, stride_);
  const int64_t num_frames = until_frame - next_frame_;
  if (num_frames <= 0) return;
  const std::span<const float> held(samples_.data(), static_cast<size_t>(num_held_));
  const float loudest = spectrogram_.transform_frames(held, origin_, next_frame_, num_frames, rows_ + next_frame_,
                                                      stride_, num_threads_, poll);
  loudest_ = larger_or_nan(loudest_, loudest);
  next_frame_ = until_frame;
}

}  // namespace siamaudio

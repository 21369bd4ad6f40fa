// Decoding of audio by libsndfile, from an allow-list of formats.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "audio/byte_source.h"

namespace siamaudio {

/// What the header says. The samples decide: a cut file holds fewer frames, and of an MP3 file without a Xing or Info
/// tag the count is an estimate. Nothing past the count is ever decoded.
struct AudioInfo {
  int64_t num_frames = 0;  ///< samples a channel
  int sample_rate = 0;     ///< Hz
  int num_channels = 0;
};

/// Decoded samples; full scale is [-1, 1]. Integer formats are divided by 2^(bits - 1), as soundfile does; floats are
/// taken as they are, NaN and infinities among them.
struct Audio {
  std::vector<float> samples;  ///< (num_channels, frames), channel after channel
  int sample_rate = 0;         ///< Hz, of the file; resampled samples have the rate that was asked for
  int num_channels = 0;
};

/// Which part to read, and how.
struct ReadOptions {
  double offset_seconds = 0.0;
  double duration_seconds = -1.0;  ///< negative: to the end
  bool mono = true;                ///< average the channels
};

/// Decodes block by block, so that memory does not grow with the length. For one thread at a time.
///
/// Accepted: WAV and RF64 (PCM, float, A-law, mu-law), FLAC, OGG (Vorbis, Opus), MP3, AIFF, AU and CAF (PCM, float).
/// libsndfile's other codecs are refused: some of them read out of bounds. A range that reaches past the end is cut
/// there; one that starts past the end is empty. What is before it is not decoded, but for MP3 and Opus, and for the
/// last million frames of Vorbis.
class AudioReader {
 public:
  /// Reads the header and goes to the offset. Throws AudioError, and what the source throws.
  AudioReader(std::unique_ptr<ByteSource> source, const ReadOptions& options);
  AudioReader(AudioReader&&) noexcept;
  AudioReader& operator=(AudioReader&&) noexcept;
  ~AudioReader();

  /// Of the whole source, whatever part of it is read.
  const AudioInfo& info() const;
  /// Frames of the range that are still to come, by the header.
  int64_t num_remaining() const;
  /// Whether so many frames can well come of so many bytes; a damaged header may claim any number.
  bool is_length_plausible() const;
  /// Values a frame of read(): 1 when mono, else the channels.
  int num_values() const;

  /// Writes up to `max_frames` frames of num_values() samples each, interleaved, and returns how many; fewer only at
  /// the end. Throws AudioError where the data are damaged, and what the source throws.
  int64_t read(float* samples, int64_t max_frames);
  /// All that is left, interleaved. Memory follows what is there, not what the header claims.
  std::vector<float> read_all();

 private:
  struct Decoder;
  std::unique_ptr<Decoder> decoder_;
};

/// Reads the header only. Throws AudioError, and what the source throws.
AudioInfo audio_info(std::unique_ptr<ByteSource> source);

/// Decodes the whole range, and resamples it where `sample_rate` is above 0 Hz. Throws as AudioReader does, and
/// AudioError where can_resample() says no.
Audio read_audio(std::unique_ptr<ByteSource> source, const ReadOptions& options, double sample_rate = 0);
Audio read_audio(const std::string& path, const ReadOptions& options, double sample_rate = 0);

}  // namespace siamaudio

// Decoding of audio files by libsndfile, from an allow-list of formats.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace siamaudio {

/// What a file's header says.
struct AudioInfo {
  int64_t num_frames = 0;  ///< samples a channel
  int sample_rate = 0;     ///< Hz
  int num_channels = 0;
};

/// Decoded samples; full scale is [-1, 1]. Integer formats are divided by 2^(bits - 1), as soundfile does.
struct Audio {
  std::vector<float> samples;  ///< (num_channels, frames), channel after channel
  int sample_rate = 0;         ///< Hz
  int num_channels = 0;
};

/// Which part of a file to read, and how.
struct ReadOptions {
  double offset_seconds = 0.0;
  double duration_seconds = -1.0;  ///< negative: to the end of the file
  bool mono = true;                ///< average the channels
};

/// Reads the header only. Throws AudioError.
AudioInfo audio_info(const std::string& path);

/// Decodes a file. A range that reaches past the end is cut there; one that starts past the end is empty.
/// Accepted: WAV and RF64 (PCM, float, A-law, mu-law), FLAC, OGG (Vorbis, Opus), MP3, AIFF, AU and CAF (PCM, float).
/// libsndfile's other codecs are refused: some of them read out of bounds. Throws AudioError.
Audio read_audio(const std::string& path, const ReadOptions& options);

}  // namespace siamaudio

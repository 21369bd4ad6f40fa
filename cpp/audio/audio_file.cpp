#include "audio/audio_file.h"

#include <sndfile.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <string_view>

#include "base/errors.h"

namespace siamaudio {
namespace {

constexpr const char* kAccepted = "WAV, FLAC, OGG (Vorbis, Opus), MP3, AIFF, AU and CAF files";
constexpr int64_t kBlockFrames = 8192;
constexpr int kMaxChannels = 64;

struct CloseFile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using SoundFile = std::unique_ptr<SNDFILE, CloseFile>;

struct CloseStream {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// Looks at the first bytes before libsndfile does, so that only the parsers of accepted formats ever run.
void check_magic(const std::string& path) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status)) throw AudioError(path, "no such file");
  if (std::filesystem::is_directory(status)) throw AudioError(path, "is a folder, not an audio file");
  if (!std::filesystem::is_regular_file(status)) throw AudioError(path, "is not a regular file");

  const std::unique_ptr<std::FILE, CloseStream> file(std::fopen(path.c_str(), "rb"));
  if (!file) throw AudioError(path, std::string("cannot be opened: ") + std::strerror(errno));
  std::array<char, 12> head{};
  const size_t num_read = std::fread(head.data(), 1, head.size(), file.get());
  if (num_read == 0) throw AudioError(path, "is empty");

  const std::string_view bytes(head.data(), num_read);
  const auto first = static_cast<unsigned char>(bytes[0]);
  const auto second = static_cast<unsigned char>(num_read > 1 ? bytes[1] : 0);
  const std::string_view form = num_read == 12 ? bytes.substr(8, 4) : std::string_view{};
  const bool is_wav =
      (bytes.starts_with("RIFF") || bytes.starts_with("RF64") || bytes.starts_with("RIFX")) && form == "WAVE";
  const bool is_aiff = bytes.starts_with("FORM") && (form == "AIFF" || form == "AIFC");
  const bool is_mp3 = bytes.starts_with("ID3") || (first == 0xFF && (second & 0xE0) == 0xE0);
  const bool is_other =
      bytes.starts_with("fLaC") || bytes.starts_with("OggS") || bytes.starts_with("caff") || bytes.starts_with(".snd");
  if (!is_wav && !is_aiff && !is_mp3 && !is_other)
    throw AudioError(path, std::string("is not an audio file of an accepted format: ") + kAccepted);
}

bool is_accepted(int format) {
  const int container = format & SF_FORMAT_TYPEMASK;
  const int codec = format & SF_FORMAT_SUBMASK;
  const bool is_pcm = codec == SF_FORMAT_PCM_S8 || codec == SF_FORMAT_PCM_U8 || codec == SF_FORMAT_PCM_16 ||
                      codec == SF_FORMAT_PCM_24 || codec == SF_FORMAT_PCM_32 || codec == SF_FORMAT_FLOAT ||
                      codec == SF_FORMAT_DOUBLE;
  const bool is_companded = codec == SF_FORMAT_ALAW || codec == SF_FORMAT_ULAW;
  switch (container) {
    case SF_FORMAT_WAV:
    case SF_FORMAT_WAVEX:
    case SF_FORMAT_RF64:
    case SF_FORMAT_AU:
      return is_pcm || is_companded;
    case SF_FORMAT_FLAC:
    case SF_FORMAT_AIFF:
    case SF_FORMAT_CAF:
      return is_pcm;
    case SF_FORMAT_OGG:
      return codec == SF_FORMAT_VORBIS || codec == SF_FORMAT_OPUS;
    case SF_FORMAT_MPEG:
      return codec == SF_FORMAT_MPEG_LAYER_I || codec == SF_FORMAT_MPEG_LAYER_II || codec == SF_FORMAT_MPEG_LAYER_III;
    default:
      return false;
  }
}

std::pair<SoundFile, SF_INFO> open(const std::string& path) {
  check_magic(path);
  SF_INFO info{};
  SoundFile file(sf_open(path.c_str(), SFM_READ, &info));
  if (!file) {
    std::string reason = sf_strerror(nullptr);
    while (!reason.empty() && (reason.back() == '.' || reason.back() == '\n')) reason.pop_back();
    throw AudioError(path, "cannot be decoded: " + reason);
  }
  if (!is_accepted(info.format))
    throw AudioError(path, std::string("has a codec that is not accepted; accepted: ") + kAccepted);
  if (info.samplerate <= 0) throw AudioError(path, "has no sample rate");
  if (info.channels < 1 || info.channels > kMaxChannels)
    throw AudioError(
        path, "has " + std::to_string(info.channels) + " channels; accepted: 1 to " + std::to_string(kMaxChannels));
  return {std::move(file), info};
}

/// Frames in `seconds`, limited so that no arithmetic overflows.
int64_t frames_in(double seconds, int sample_rate) {
  const double frames = std::round(seconds * sample_rate);
  return frames < 9e18 ? static_cast<int64_t>(frames) : std::numeric_limits<int64_t>::max();
}

/// Moves on by `num_frames` from the beginning. An MP3 frame needs the bits of frames before it, which libsndfile's
/// seek does not look at: there the frames are decoded and dropped.
void skip_frames(SNDFILE* file, const SF_INFO& info, int64_t num_frames, std::vector<float>& block,
                 const std::string& path) {
  if ((info.format & SF_FORMAT_TYPEMASK) != SF_FORMAT_MPEG) {
    if (sf_seek(file, num_frames, SF_SEEK_SET) != num_frames)
      throw AudioError(path, "cannot be positioned at the offset");
    return;
  }
  while (num_frames > 0) {
    const sf_count_t num_dropped = sf_readf_float(file, block.data(), std::min(kBlockFrames, num_frames));
    if (num_dropped <= 0) return;
    num_frames -= num_dropped;
  }
}

}  // namespace

AudioInfo audio_info(const std::string& path) {
  const auto [file, info] = open(path);
  return {.num_frames = info.frames, .sample_rate = info.samplerate, .num_channels = info.channels};
}

Audio read_audio(const std::string& path, const ReadOptions& options) {
  const auto [file, info] = open(path);
  const int num_channels = info.channels;

  std::vector<float> block(static_cast<size_t>(kBlockFrames * num_channels));
  int64_t remaining = std::numeric_limits<int64_t>::max();
  if (options.duration_seconds >= 0) remaining = frames_in(options.duration_seconds, info.samplerate);
  if (options.offset_seconds > 0) {
    const int64_t offset = frames_in(options.offset_seconds, info.samplerate);
    if (offset >= info.frames)
      remaining = 0;
    else
      skip_frames(file.get(), info, offset, block, path);
  }

  // The header's frame count is a claim, not a fact: memory grows with what is really decoded.
  Audio audio{.samples = {}, .sample_rate = info.samplerate, .num_channels = options.mono ? 1 : num_channels};
  std::vector<std::vector<float>> channels(static_cast<size_t>(audio.num_channels));
  while (remaining > 0) {
    const sf_count_t num_frames = sf_readf_float(file.get(), block.data(), std::min(kBlockFrames, remaining));
    if (num_frames <= 0) break;
    remaining -= num_frames;
    const size_t old_size = channels[0].size();
    for (auto& channel : channels) channel.resize(old_size + static_cast<size_t>(num_frames));
    for (sf_count_t frame = 0; frame < num_frames; ++frame) {
      const float* values = block.data() + frame * num_channels;
      const size_t position = old_size + static_cast<size_t>(frame);
      if (options.mono) {
        float sum = 0;
        for (int channel = 0; channel < num_channels; ++channel) sum += values[channel];
        channels[0][position] = sum / static_cast<float>(num_channels);
      } else {
        for (int channel = 0; channel < num_channels; ++channel)
          channels[static_cast<size_t>(channel)][position] = values[channel];
      }
    }
  }
  if (sf_error(file.get()) != SF_ERR_NO_ERROR)
    throw AudioError(path, std::string("is damaged: ") + sf_strerror(file.get()));

  audio.samples = std::move(channels[0]);
  for (size_t channel = 1; channel < channels.size(); ++channel)
    audio.samples.insert(audio.samples.end(), channels[channel].begin(), channels[channel].end());
  return audio;
}

}  // namespace siamaudio

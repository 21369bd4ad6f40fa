#include "audio/audio_file.h"

#include <sndfile.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <limits>
#include <string_view>

#include "audio/resample.h"
#include "base/errors.h"

namespace siamaudio {
namespace {

constexpr const char* kAccepted = "WAV, FLAC, OGG (Vorbis, Opus), MP3, AIFF, AU and CAF files";
constexpr int64_t kBlockFrames = 8192;
constexpr int kMaxChannels = 64;

// ---- What is accepted

/// Looks at the first bytes before libsndfile does, so that only the parsers of accepted formats ever run.
void check_magic(ByteSource& source) {
  std::array<char, 12> head{};
  const auto num_read = static_cast<size_t>(source.read_at(0, head.data(), head.size()));
  if (num_read == 0) throw AudioError(source.name(), "is empty");

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
    throw AudioError(source.name(), std::string("is not an audio file of an accepted format: ") + kAccepted);
}

/// Bytes a sample where every sample takes as many; 0 for compressed codecs.
int bytes_per_sample(int codec) {
  switch (codec) {
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_ALAW:
    case SF_FORMAT_ULAW:
      return 1;
    case SF_FORMAT_PCM_16:
      return 2;
    case SF_FORMAT_PCM_24:
      return 3;
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_FLOAT:
      return 4;
    case SF_FORMAT_DOUBLE:
      return 8;
    default:
      return 0;
  }
}

bool is_accepted(int container, int codec) {
  const bool is_companded = codec == SF_FORMAT_ALAW || codec == SF_FORMAT_ULAW;
  const bool is_pcm = bytes_per_sample(codec) > 0 && !is_companded;
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

// ---- A ByteSource as libsndfile sees it

/// No exception may cross libsndfile's frames: the first one is kept here, and from then on there are no more bytes.
struct Stream {
  std::unique_ptr<ByteSource> source;
  int64_t position = 0;
  std::exception_ptr failure;

  void rethrow() const {
    if (failure) std::rethrow_exception(failure);
  }
};

sf_count_t stream_size(void* user_data) { return static_cast<Stream*>(user_data)->source->size(); }

sf_count_t stream_tell(void* user_data) { return static_cast<Stream*>(user_data)->position; }

sf_count_t stream_seek(sf_count_t offset, int whence, void* user_data) {
  auto& stream = *static_cast<Stream*>(user_data);
  int64_t position = 0;
  if (whence == SEEK_CUR) position = stream.position;
  if (whence == SEEK_END) position = stream.source->size();
  if (__builtin_add_overflow(position, offset, &position) || position < 0) return -1;
  return stream.position = position;
}

sf_count_t stream_read(void* bytes, sf_count_t count, void* user_data) {
  auto& stream = *static_cast<Stream*>(user_data);
  if (stream.failure || count <= 0) return 0;
  try {
    const int64_t num_read = stream.source->read_at(stream.position, bytes, count);
    stream.position += num_read;
    return num_read;
  } catch (...) {
    stream.failure = std::current_exception();
    return 0;
  }
}

struct CloseFile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};

/// libsndfile's words for what went wrong last, in the middle of a sentence.
std::string library_reason(SNDFILE* file) {
  std::string reason = sf_strerror(file);
  while (!reason.empty() && (reason.back() == '.' || reason.back() == '\n')) reason.pop_back();
  return reason;
}

/// Frames in `seconds`, limited so that no arithmetic overflows.
int64_t frames_in(double seconds, int sample_rate) {
  const double frames = std::round(seconds * sample_rate);
  return frames < 9e18 ? static_cast<int64_t>(frames) : std::numeric_limits<int64_t>::max();
}

/// (frames, channels) as (channels, frames).
std::vector<float> separate(const std::vector<float>& interleaved, size_t num_channels) {
  const size_t num_frames = interleaved.size() / num_channels;
  std::vector<float> channels(interleaved.size());
  for (size_t frame = 0; frame < num_frames; ++frame)
    for (size_t channel = 0; channel < num_channels; ++channel)
      channels[channel * num_frames + frame] = interleaved[frame * num_channels + channel];
  return channels;
}

}  // namespace

// ---- AudioReader

struct AudioReader::Decoder {
  Stream stream;
  std::unique_ptr<SNDFILE, CloseFile> file;
  int container = 0;
  int codec = 0;
  AudioInfo info;
  bool mono = true;
  int64_t remaining = std::numeric_limits<int64_t>::max();  ///< frames of the range that are still to come
  std::vector<short> integers;                              ///< one block of a 16-bit file
  std::vector<float> block;                                 ///< one block of all channels

  const std::string& name() const { return stream.source->name(); }

  void open() {
    check_magic(*stream.source);
    SF_VIRTUAL_IO callbacks{
        .get_filelen = stream_size, .seek = stream_seek, .read = stream_read, .write = nullptr, .tell = stream_tell};
    SF_INFO header{};
    file.reset(sf_open_virtual(&callbacks, SFM_READ, &header, &stream));
    stream.rethrow();
    if (!file) throw AudioError(name(), "cannot be decoded: " + library_reason(nullptr));

    container = header.format & SF_FORMAT_TYPEMASK;
    codec = header.format & SF_FORMAT_SUBMASK;
    info = {.num_frames = header.frames, .sample_rate = header.samplerate, .num_channels = header.channels};
    if (!is_accepted(container, codec))
      throw AudioError(name(), std::string("has a codec that is not accepted; accepted: ") + kAccepted);
    if (info.sample_rate <= 0) throw AudioError(name(), "has no sample rate");
    if (info.num_channels < 1 || info.num_channels > kMaxChannels)
      throw AudioError(name(), "has " + std::to_string(info.num_channels) + " channels; accepted: 1 to " +
                                   std::to_string(kMaxChannels));
    if (info.num_frames < 0) throw AudioError(name(), "has a negative number of frames");
  }

  /// Up to one block of interleaved samples; fewer than asked for only at the end.
  int64_t decode(float* samples, int64_t num_frames) {
    int64_t num_decoded = 0;
    if (codec == SF_FORMAT_PCM_16) {  // three times as fast as libsndfile's own conversion
      integers.resize(static_cast<size_t>(kBlockFrames * info.num_channels));
      num_decoded = sf_readf_short(file.get(), integers.data(), num_frames);
      const int64_t num_values = num_decoded * info.num_channels;
      for (int64_t i = 0; i < num_values; ++i)
        samples[i] = static_cast<float>(integers[static_cast<size_t>(i)]) * (1.0F / 32768);
    } else {
      num_decoded = sf_readf_float(file.get(), samples, num_frames);
    }
    stream.rethrow();
    if (num_decoded < num_frames && sf_error(file.get()) != SF_ERR_NO_ERROR)
      throw AudioError(name(), "is damaged: " + library_reason(file.get()));
    return std::max<int64_t>(num_decoded, 0);
  }

  /// Frames that as many bytes may well hold. A compressed second takes a few kilobytes: where there are more frames
  /// than this, memory grows with what is decoded.
  int64_t plausible_frames() const {
    constexpr int64_t kCompressedFramesPerByte = 16;
    const int64_t size = stream.source->size();
    const int frame_size = bytes_per_sample(codec) * info.num_channels;
    const bool is_compressed = frame_size == 0 || container == SF_FORMAT_FLAC;
    return is_compressed ? size * kCompressedFramesPerByte : size / frame_size;
  }

  float* block_buffer() {
    block.resize(static_cast<size_t>(kBlockFrames * info.num_channels));
    return block.data();
  }

  /// How far libsndfile's own seek can be trusted to go towards a frame; the rest of the way is decoded and dropped.
  int64_t seekable(int64_t frame) const {
    // What a frame of these decodes to depends on many frames before it, which seek does not look at.
    if (container == SF_FORMAT_MPEG || codec == SF_FORMAT_OPUS) return 0;
    // In the last page, which may be cut anywhere, seek counts wrongly.
    constexpr int64_t kPageFrames = int64_t{255} * 4096;  // packets a page times frames a packet, at most
    if (codec == SF_FORMAT_VORBIS) return std::clamp<int64_t>(info.num_frames - kPageFrames, 0, frame);
    return frame;
  }

  /// Goes from the first frame to another.
  void skip_to(int64_t frame) {
    const int64_t start = seekable(frame);
    if (start > 0) {
      const sf_count_t position = sf_seek(file.get(), start, SF_SEEK_SET);
      stream.rethrow();
      if (position != start) throw AudioError(name(), "cannot be positioned at the offset");
    }
    for (int64_t remaining_frames = frame - start; remaining_frames > 0;) {
      const int64_t num_dropped = decode(block_buffer(), std::min(kBlockFrames, remaining_frames));
      if (num_dropped == 0) break;
      remaining_frames -= num_dropped;
    }
  }

  /// Averages the channels of a block.
  void mix(const float* values, int64_t num_frames, float* mixed) const {
    if (info.num_channels == 2) {  // the usual number, so that the compiler may vectorise
      for (int64_t frame = 0; frame < num_frames; ++frame)
        mixed[frame] = (values[2 * frame] + values[2 * frame + 1]) * 0.5F;
      return;
    }
    for (int64_t frame = 0; frame < num_frames; ++frame) {
      float sum = 0;
      for (int channel = 0; channel < info.num_channels; ++channel) sum += values[frame * info.num_channels + channel];
      mixed[frame] = sum / static_cast<float>(info.num_channels);
    }
  }
};

AudioReader::AudioReader(std::unique_ptr<ByteSource> source, const ReadOptions& options)
    : decoder_(std::make_unique<Decoder>()) {
  decoder_->stream.source = std::move(source);
  decoder_->mono = options.mono;
  decoder_->open();
  const AudioInfo& header = decoder_->info;
  if (options.duration_seconds >= 0) decoder_->remaining = frames_in(options.duration_seconds, header.sample_rate);
  if (options.offset_seconds > 0) {
    const int64_t offset = frames_in(options.offset_seconds, header.sample_rate);
    if (offset >= header.num_frames) decoder_->remaining = 0;
    if (decoder_->remaining > 0 && offset > 0) decoder_->skip_to(offset);
    decoder_->remaining = std::min(decoder_->remaining, header.num_frames - std::min(offset, header.num_frames));
  }
  decoder_->remaining = std::min(decoder_->remaining, header.num_frames);
}

AudioReader::AudioReader(AudioReader&&) noexcept = default;
AudioReader& AudioReader::operator=(AudioReader&&) noexcept = default;
AudioReader::~AudioReader() = default;

const AudioInfo& AudioReader::info() const { return decoder_->info; }

int64_t AudioReader::num_remaining() const { return decoder_->remaining; }

bool AudioReader::is_length_plausible() const { return decoder_->remaining <= decoder_->plausible_frames(); }

int AudioReader::num_values() const { return decoder_->mono ? 1 : decoder_->info.num_channels; }

int64_t AudioReader::read(float* samples, int64_t max_frames) {
  Decoder& decoder = *decoder_;
  const bool mixes = decoder.mono && decoder.info.num_channels > 1;
  int64_t num_read = 0;
  while (num_read < max_frames && decoder.remaining > 0) {
    const int64_t num_wanted = std::min({kBlockFrames, max_frames - num_read, decoder.remaining});
    float* target = samples + num_read * num_values();
    float* values = mixes ? decoder.block_buffer() : target;
    const int64_t num_decoded = decoder.decode(values, num_wanted);
    if (mixes) decoder.mix(values, num_decoded, target);
    num_read += num_decoded;
    decoder.remaining = num_decoded > 0 ? decoder.remaining - num_decoded : 0;
  }
  return num_read;
}

std::vector<float> AudioReader::read_all() {
  const auto num_values = static_cast<size_t>(this->num_values());
  std::vector<float> samples;
  samples.reserve(static_cast<size_t>(std::min(decoder_->remaining, decoder_->plausible_frames() + kBlockFrames)) *
                  num_values);
  while (decoder_->remaining > 0) {
    // Grown block by block: the block that resize() fills with zeros is still in the cache when it is decoded into.
    const size_t old_size = samples.size();
    const int64_t num_wanted = std::min(kBlockFrames, decoder_->remaining);
    samples.resize(old_size + static_cast<size_t>(num_wanted) * num_values);
    const int64_t num_read = read(samples.data() + old_size, num_wanted);
    samples.resize(old_size + static_cast<size_t>(num_read) * num_values);
  }
  samples.shrink_to_fit();
  return samples;
}

// ---- All at once

AudioInfo audio_info(std::unique_ptr<ByteSource> source) { return AudioReader(std::move(source), {}).info(); }

Audio read_audio(std::unique_ptr<ByteSource> source, const ReadOptions& options, double sample_rate) {
  const std::string name = source->name();
  AudioReader reader(std::move(source), options);
  const double own_rate = reader.info().sample_rate;
  const bool resamples = sample_rate > 0 && sample_rate != own_rate;
  if (resamples && !can_resample(own_rate, sample_rate))
    throw AudioError(name, "has a sample rate of " + std::to_string(reader.info().sample_rate) +
                               " Hz, too far from the " + std::to_string(std::llround(sample_rate)) +
                               " Hz to resample to");

  Audio audio{
      .samples = reader.read_all(), .sample_rate = reader.info().sample_rate, .num_channels = reader.num_values()};
  if (audio.num_channels > 1) audio.samples = separate(audio.samples, static_cast<size_t>(audio.num_channels));
  if (!resamples) return audio;

  const size_t num_frames = audio.samples.size() / static_cast<size_t>(audio.num_channels);
  std::vector<float> resampled;
  resampled.reserve(static_cast<size_t>(audio.num_channels) *
                    static_cast<size_t>(resampled_length(static_cast<int64_t>(num_frames), own_rate, sample_rate)));
  Resampler resampler(own_rate, sample_rate);
  for (size_t channel = 0; channel < static_cast<size_t>(audio.num_channels); ++channel) {
    resampler.push({audio.samples.data() + channel * num_frames, num_frames}, resampled);
    resampler.flush(resampled);
  }
  audio.samples = std::move(resampled);
  return audio;
}

Audio read_audio(const std::string& path, const ReadOptions& options, double sample_rate) {
  return read_audio(open_file(path), options, sample_rate);
}

}  // namespace siamaudio

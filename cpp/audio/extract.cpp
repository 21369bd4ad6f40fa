#include "audio/extract.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "audio/audio_file.h"
#include "audio/resample.h"
#include "base/errors.h"
#include "base/parallel.h"
#include "base/random.h"

namespace siamaudio {
namespace {

constexpr int64_t kUnknownFrames = int64_t{1} << 53;  ///< libsndfile's count for a stream of unknown length is larger

std::vector<LogMel::Workspace> make_workspaces(const LogMel& log_mel, int num_threads) {
  return std::vector<LogMel::Workspace>(static_cast<size_t>(num_threads), LogMel::Workspace(log_mel));
}

/// A generator of one clip's own: SplitMix64 spreads neighbouring seeds and positions apart.
Random random_of_clip(uint64_t seed, int64_t position) {
  const auto mix = [](uint64_t value) {
    value += 0x9E3779B97F4A7C15U;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31);
  };
  return Random(mix(mix(seed) ^ static_cast<uint64_t>(position)));
}

/// Where the part begins, in samples of the file.
int64_t crop_start(int64_t num_available, int64_t num_wanted, const FilesOptions& options, int64_t position) {
  const int64_t spare = std::max<int64_t>(0, num_available - num_wanted);
  if (options.crop == Crop::kStart) return 0;
  if (options.crop == Crop::kCenter) return spare / 2;
  return random_of_clip(options.seed, position).below(spare + 1);
}

/// The wanted part at the file's own rate: no more is decoded than that, except where the header is wrong.
Audio read_part(const std::string& path, double sample_rate, const FilesOptions& options, int64_t position) {
  const double duration_seconds = static_cast<double>(options.num_samples) / sample_rate;
  if (options.crop == Crop::kStart)
    return read_audio(path, {.offset_seconds = 0, .duration_seconds = duration_seconds, .mono = true});

  const AudioInfo info = audio_info(path);
  const int64_t num_wanted = std::llround(duration_seconds * info.sample_rate);
  if (info.num_frames < kUnknownFrames) {
    const int64_t start = crop_start(info.num_frames, num_wanted, options, position);
    const double offset_seconds = static_cast<double>(start) / info.sample_rate;
    const ReadOptions range{.offset_seconds = offset_seconds, .duration_seconds = duration_seconds, .mono = true};
    try {
      Audio part = read_audio(path, range);
      if (static_cast<int64_t>(part.samples.size()) == std::min(num_wanted, info.num_frames)) return part;
    } catch (const AudioError&) {
      // Past the true end a file cannot be positioned. What is really damaged is refused below.
    }
  }

  // The header counts other samples than there are: only decoding all of them tells how many.
  Audio audio = read_audio(path, {.offset_seconds = 0, .duration_seconds = -1, .mono = true});
  const auto num_available = static_cast<int64_t>(audio.samples.size());
  audio.samples.erase(audio.samples.begin(),
                      audio.samples.begin() + crop_start(num_available, num_wanted, options, position));
  audio.samples.resize(static_cast<size_t>(std::min(num_wanted, num_available)));
  return audio;
}

/// At most `num_samples` at the wanted rate.
std::vector<float> read_clip(const std::string& path, double sample_rate, const FilesOptions& options,
                             int64_t position) {
  const Audio part = read_part(path, sample_rate, options, position);
  auto samples = resample(part.samples, part.sample_rate, sample_rate);
  if (static_cast<int64_t>(samples.size()) > options.num_samples)
    samples.resize(static_cast<size_t>(options.num_samples));
  return samples;
}

}  // namespace

Crop parse_crop(const std::string& name) {
  if (name == "start") return Crop::kStart;
  if (name == "center") return Crop::kCenter;
  if (name == "random") return Crop::kRandom;
  throw ParameterError("crop", name, "'start', 'center' or 'random'");
}

void transform_clips(const LogMel& log_mel, const float* samples, int64_t num_clips, int64_t num_samples,
                     float* decibels, int num_threads, const Poll& poll) {
  num_threads = resolve_num_threads(num_threads);
  auto workspaces = make_workspaces(log_mel, num_threads);
  const int64_t clip_size = log_mel.options().num_mels * log_mel.options().num_frames(num_samples);
  parallel_for(
      num_clips, num_threads,
      [&](int64_t clip, int worker) {
        log_mel.transform({samples + clip * num_samples, static_cast<size_t>(num_samples)}, decibels + clip * clip_size,
                          workspaces[static_cast<size_t>(worker)]);
      },
      poll);
}

std::vector<FailedClip> transform_files(const LogMel& log_mel, const std::vector<std::string>& paths,
                                        const int64_t* positions, const FilesOptions& options, float* decibels,
                                        int64_t* lengths, const Poll& poll) {
  const int num_threads = resolve_num_threads(options.num_threads);
  auto workspaces = make_workspaces(log_mel, num_threads);
  const LogMelOptions& front_end = log_mel.options();
  const int64_t clip_size = front_end.num_mels * front_end.num_frames(options.num_samples);
  std::mutex mutex;
  std::vector<FailedClip> failed;
  parallel_for(
      static_cast<int64_t>(paths.size()), num_threads,
      [&](int64_t clip, int worker) {
        const std::string& path = paths[static_cast<size_t>(clip)];
        lengths[clip] = 0;
        try {
          auto samples = read_clip(path, front_end.sample_rate, options, positions[clip]);
          if (samples.empty()) throw AudioError(path, "holds no samples");
          lengths[clip] = front_end.num_frames(static_cast<int64_t>(samples.size()));
          samples.resize(static_cast<size_t>(options.num_samples));
          log_mel.transform(samples, decibels + clip * clip_size, workspaces[static_cast<size_t>(worker)]);
        } catch (const AudioError& error) {
          std::lock_guard lock(mutex);
          failed.push_back({clip, error.path, error.reason});
        }
      },
      poll);
  std::ranges::sort(failed, {}, &FailedClip::index);
  return failed;
}

}  // namespace siamaudio

#include "audio/extract.h"

#include <algorithm>
#include <mutex>

#include "audio/audio_file.h"
#include "base/errors.h"
#include "base/parallel.h"

namespace siamaudio {
namespace {

std::vector<LogMel::Workspace> make_workspaces(const LogMel& log_mel, int num_threads) {
  return std::vector<LogMel::Workspace>(static_cast<size_t>(num_threads), LogMel::Workspace(log_mel));
}

/// At most `num_samples` at the wanted rate: no more of the file is decoded than that needs.
std::vector<float> read_clip(const std::string& path, double sample_rate, int64_t num_samples) {
  const double duration_seconds = static_cast<double>(num_samples) / sample_rate;
  return read_audio(path, {.offset_seconds = 0, .duration_seconds = duration_seconds, .mono = true}, sample_rate)
      .samples;
}

}  // namespace

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
                                        int64_t num_samples, float* decibels, int num_threads, const Poll& poll) {
  num_threads = resolve_num_threads(num_threads);
  auto workspaces = make_workspaces(log_mel, num_threads);
  const int64_t clip_size = log_mel.options().num_mels * log_mel.options().num_frames(num_samples);
  std::mutex mutex;
  std::vector<FailedClip> failed;
  parallel_for(
      static_cast<int64_t>(paths.size()), num_threads,
      [&](int64_t clip, int worker) {
        try {
          auto samples = read_clip(paths[static_cast<size_t>(clip)], log_mel.options().sample_rate, num_samples);
          if (samples.empty()) throw AudioError(paths[static_cast<size_t>(clip)], "holds no samples");
          samples.resize(static_cast<size_t>(num_samples));
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

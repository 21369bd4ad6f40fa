#include "audio/extract.h"

#include <algorithm>
#include <mutex>

#include "audio/audio_file.h"
#include "base/errors.h"
#include "base/parallel.h"

namespace siamaudio {
namespace {

/// At most `num_samples` at the wanted rate: no more of the file is decoded than that needs.
std::vector<float> read_clip(const std::string& path, double sample_rate, int64_t num_samples) {
  const double duration_seconds = static_cast<double>(num_samples) / sample_rate;
  return read_audio(path, {.offset_seconds = 0, .duration_seconds = duration_seconds, .mono = true}, sample_rate)
      .samples;
}

}  // namespace

std::vector<FailedClip> transform_files(const Spectrogram& spectrogram, const std::vector<std::string>& paths,
                                        int64_t num_samples, float* rows, int num_threads, const Poll& poll) {
  const int64_t clip_size = spectrogram.num_rows() * spectrogram.num_frames(num_samples);
  std::mutex mutex;
  std::vector<FailedClip> failed;
  parallel_for(
      static_cast<int64_t>(paths.size()), num_threads,
      [&](int64_t clip, int /*worker*/) {
        try {
          auto samples = read_clip(paths[static_cast<size_t>(clip)], spectrogram.options().sample_rate, num_samples);
          if (samples.empty()) throw AudioError(paths[static_cast<size_t>(clip)], "holds no samples");
          samples.resize(static_cast<size_t>(num_samples));
          if (!spectrogram.transform(samples, rows + clip * clip_size))
            throw AudioError(paths[static_cast<size_t>(clip)],
                             "holds samples that are NaN, infinite, or too large for single precision");
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

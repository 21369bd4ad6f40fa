#include "audio/extract.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>

#include "audio/resample.h"
#include "audio/spectrogram_stream.h"
#include "base/errors.h"
#include "base/parallel.h"
#include "base/random.h"

namespace siamaudio {
namespace {

constexpr int64_t kBlockFrames = 65536;  ///< samples decoded at once

/// Where the part begins, in samples of the file.
int64_t crop_start(int64_t num_available, int64_t num_wanted, const FilesOptions& options, int64_t position) {
  const int64_t spare = std::max<int64_t>(0, num_available - num_wanted);
  if (options.crop == Crop::kStart) return 0;
  if (options.crop == Crop::kCenter) return spare / 2;
  return Random(options.seed, static_cast<uint64_t>(position)).below(spare + 1);
}

AudioReader open_range(const std::string& path, double offset_seconds, double duration_seconds) {
  return {open_file(path), {.offset_seconds = offset_seconds, .duration_seconds = duration_seconds, .mono = true}};
}

/// Samples of a range that are really there, found by decoding them.
int64_t count_frames(AudioReader reader, const Poll& poll) {
  std::vector<float> block(kBlockFrames);
  int64_t count = 0;
  while (const int64_t num_read = reader.read(block.data(), kBlockFrames)) {
    count += num_read;
    if (poll) poll();
  }
  return count;
}

/// Decodes and resamples into spectrograms, one file after another, with the same buffers.
class Extractor {
 public:
  Extractor(const Spectrogram& spectrogram, int num_threads)
      : sample_rate_(spectrogram.options().sample_rate), stream_(spectrogram, num_threads) {}

  SpectrogramStream& stream() { return stream_; }

  struct Counts {
    int64_t num_decoded = 0;  ///< samples of the file
    int64_t num_pushed = 0;   ///< samples that the stream was given
  };

  /// All that `reader` still has, at most `max_samples` at the stream's rate.
  Counts push_all(AudioReader& reader, int64_t max_samples, const std::string& path, const Poll& poll) {
    const double file_rate = reader.info().sample_rate;
    const bool resamples = file_rate != sample_rate_;
    if (resamples && !can_resample(file_rate, sample_rate_))
      throw AudioError(path, "has a sample rate of " + std::to_string(reader.info().sample_rate) +
                                 " Hz, which cannot be resampled to that of the front end");
    std::unique_ptr<Resampler> resampler;
    if (resamples) resampler = std::make_unique<Resampler>(file_rate, sample_rate_);
    decoded_.resize(resamples ? static_cast<size_t>(kBlockFrames) : 0);

    Counts counts;
    for (bool is_end = false; !is_end && counts.num_pushed < max_samples;) {
      const int64_t num_missing = max_samples - counts.num_pushed;
      int64_t num_new = 0;
      if (!resamples) {
        const int64_t num_wanted = std::min(kBlockFrames, num_missing);
        num_new = reader.read(stream_.room(num_wanted), num_wanted);
        counts.num_decoded += num_new;
        is_end = num_new == 0;
      } else {
        const int64_t num_read = reader.read(decoded_.data(), kBlockFrames);
        counts.num_decoded += num_read;
        is_end = num_read == 0;
        resampled_.clear();
        if (is_end)
          resampler->flush(resampled_);
        else
          resampler->push(std::span(decoded_).first(static_cast<size_t>(num_read)), resampled_);
        num_new = std::min(static_cast<int64_t>(resampled_.size()), num_missing);
        std::copy_n(resampled_.begin(), num_new, stream_.room(num_new));
      }
      stream_.push(num_new, poll);
      counts.num_pushed += num_new;
      if (poll) poll();
    }
    return counts;
  }

  void push_silence(int64_t num_samples) {
    while (num_samples > 0) {
      const int64_t size = std::min(kBlockFrames, num_samples);
      std::fill_n(stream_.room(size), size, 0.0F);
      stream_.push(size);
      num_samples -= size;
    }
  }

 private:
  double sample_rate_;
  SpectrogramStream stream_;
  std::vector<float> decoded_;    ///< one block at the file's rate
  std::vector<float> resampled_;  ///< what came of it
};

void require_finite(const SpectrogramStream::Result& result, const std::string& path) {
  if (!result.is_finite) throw AudioError(path, "holds samples that are NaN, infinite, or too large to be squared");
}

/// Transforms the wanted part of one file and returns the samples that it held.
int64_t transform_part(Extractor& extractor, const std::string& path, double sample_rate, const FilesOptions& options,
                       int64_t position, float* rows, int64_t num_frames, const Poll& poll) {
  const double duration_seconds = static_cast<double>(options.num_samples) / sample_rate;
  const auto transform_from = [&](AudioReader reader) {
    extractor.stream().start(rows, num_frames);
    const auto counts = extractor.push_all(reader, options.num_samples, path, poll);
    if (counts.num_pushed == 0) throw AudioError(path, "holds no samples");
    extractor.push_silence(options.num_samples - counts.num_pushed);
    require_finite(extractor.stream().finish(), path);
    return counts;
  };
  AudioReader reader = open_range(path, 0, duration_seconds);
  if (options.crop == Crop::kStart) return transform_from(std::move(reader)).num_pushed;

  const AudioInfo info = reader.info();
  const int64_t num_wanted = std::llround(duration_seconds * info.sample_rate);
  const auto open_at = [&](int64_t start) {
    return open_range(path, static_cast<double>(start) / info.sample_rate, duration_seconds);
  };
  Extractor::Counts counts;
  try {
    counts = transform_from(open_at(crop_start(info.num_frames, num_wanted, options, position)));
  } catch (const AudioError&) {
    counts = {};  // past the true end a file cannot be positioned; what is really damaged is refused below
  }
  if (counts.num_decoded > 0 && counts.num_decoded == std::min(num_wanted, info.num_frames)) return counts.num_pushed;
  // The header counts more samples than there are: only decoding all of them tells how many.
  const int64_t num_available = count_frames(open_range(path, 0, -1), poll);
  return transform_from(open_at(crop_start(num_available, num_wanted, options, position))).num_pushed;
}

}  // namespace

Crop parse_crop(const std::string& name) {
  if (name == "start") return Crop::kStart;
  if (name == "center") return Crop::kCenter;
  if (name == "random") return Crop::kRandom;
  throw ParameterError("crop", name, "'start', 'center' or 'random'");
}

std::vector<FailedClip> transform_files(const Spectrogram& spectrogram, const std::vector<std::string>& paths,
                                        const int64_t* positions, const FilesOptions& options, float* rows,
                                        int64_t* lengths, const Poll& poll) {
  const int num_threads = resolve_num_threads(options.num_threads);
  const int64_t num_frames = spectrogram.num_frames(options.num_samples);
  const int64_t clip_size = spectrogram.num_rows() * num_frames;
  std::vector<std::unique_ptr<Extractor>> extractors(static_cast<size_t>(num_threads));
  std::mutex mutex;
  std::vector<FailedClip> failed;
  parallel_for(
      static_cast<int64_t>(paths.size()), num_threads,
      [&](int64_t clip, int worker, const std::atomic<bool>& is_stopping) {
        const Poll stop_here = [&] {
          if (is_stopping) throw Interrupted();
        };
        const std::string& path = paths[static_cast<size_t>(clip)];
        auto& extractor = extractors[static_cast<size_t>(worker)];
        if (!extractor) extractor = std::make_unique<Extractor>(spectrogram, 1);
        lengths[clip] = 0;
        try {
          const int64_t num_samples = transform_part(*extractor, path, spectrogram.options().sample_rate, options,
                                                     positions[clip], rows + clip * clip_size, num_frames, stop_here);
          lengths[clip] = spectrogram.num_frames(num_samples);
        } catch (const AudioError& error) {
          const std::lock_guard lock(mutex);
          failed.push_back({clip, error.path, error.reason});
        }
      },
      poll);
  std::ranges::sort(failed, {}, &FailedClip::index);
  return failed;
}

std::vector<float> transform_file(const Spectrogram& spectrogram, const std::string& path, const ReadOptions& range,
                                  int num_threads, const Poll& poll) {
  const double sample_rate = spectrogram.options().sample_rate;
  AudioReader reader = open_range(path, range.offset_seconds, range.duration_seconds);
  int64_t num_available = reader.num_remaining();
  if (!reader.is_length_plausible())
    num_available = count_frames(open_range(path, range.offset_seconds, range.duration_seconds), poll);
  if (!can_resample(reader.info().sample_rate, sample_rate))
    throw AudioError(path, "has a sample rate of " + std::to_string(reader.info().sample_rate) +
                               " Hz, which cannot be resampled to that of the front end");
  // No more frames can come than the header counts, but fewer where the file is cut.
  const int64_t max_frames =
      spectrogram.num_frames(resampled_length(num_available, reader.info().sample_rate, sample_rate));
  const int64_t num_rows = spectrogram.num_rows();
  std::vector<float> rows(static_cast<size_t>(num_rows * max_frames));
  Extractor extractor(spectrogram, num_threads);
  extractor.stream().start(rows.data(), max_frames);
  const auto counts = extractor.push_all(reader, std::numeric_limits<int64_t>::max(), path, poll);
  if (counts.num_pushed == 0) throw AudioError(path, "holds no samples");
  const auto result = extractor.stream().finish(poll);
  require_finite(result, path);
  if (result.num_frames == 0) throw AudioError(path, "is shorter than one frame of the front end");
  if (result.num_frames < max_frames) {
    for (int64_t row = 1; row < num_rows; ++row)
      std::copy_n(rows.begin() + row * max_frames, result.num_frames, rows.begin() + row * result.num_frames);
    rows.resize(static_cast<size_t>(num_rows * result.num_frames));
  }
  return rows;
}

}  // namespace siamaudio

// From files to spectrograms: decoding, resampling and transforming, block by block and over threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audio/audio_file.h"
#include "audio/spectrogram.h"
#include "base/poll.h"

namespace siamaudio {

/// Which part is taken of a file that is longer than wanted.
enum class Crop {
  kStart,
  kCenter,
  kRandom,  ///< uniformly, by the seed and the clip's position in the data set
};

/// "start", "center" or "random"; throws ParameterError.
Crop parse_crop(const std::string& name);

struct FilesOptions {
  int64_t num_samples = 0;  ///< at the front end's rate; longer files are cut, shorter ones zero-padded at the end
  Crop crop = Crop::kStart;
  uint64_t seed = 0;    ///< of random crops
  int num_threads = 0;  ///< 0: one a core
};

/// A clip that could not be read; its spectrogram is left unfinished.
struct FailedClip {
  int64_t index;
  std::string path;
  std::string reason;
};

/// Decodes the wanted part of each file, mixes it to mono, resamples it to the options' rate, fits it to `num_samples`
/// and transforms it into rows: (paths.size(), num_rows, num_frames(num_samples)). Memory does not grow with the
/// files' lengths.
/// positions: (paths.size(),), of the clips in the data set: what is made of a clip does not depend on its neighbours.
/// lengths: (paths.size(),), becomes the frames of each clip that hold signal, not padding; 0 for clips that failed.
/// Returns the clips that failed.
std::vector<FailedClip> transform_files(const Spectrogram& spectrogram, const std::vector<std::string>& paths,
                                        const int64_t* positions, const FilesOptions& options, float* rows,
                                        int64_t* lengths, const Poll& poll);

/// The spectrogram of one file of any length, (num_rows, num_frames) row by row, over threads. Beside the result,
/// memory does not grow with the length. The range's `mono` is not looked at: channels are always averaged.
/// Throws AudioError.
std::vector<float> transform_file(const Spectrogram& spectrogram, const std::string& path, const ReadOptions& range,
                                  int num_threads, const Poll& poll);

}  // namespace siamaudio

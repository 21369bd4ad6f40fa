#include "audio/spectrogram.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "base/errors.h"
#include "base/parallel.h"

namespace siamaudio {
namespace {

constexpr int64_t kMaxFft = int64_t{1} << 20;
constexpr int64_t kMaxRun = 32;  ///< frames a lane in one piece of work: longer runs gain nothing, and end too late
constexpr int64_t kMinRun = 8;   ///< shorter ones read the samples of their first frame too often

void check_mel(const MelOptions& mel, int64_t n_fft) {
  if (mel.num_mels < 1 || mel.num_mels > n_fft / 2 + 1)
    throw ParameterError("n_mels", std::to_string(mel.num_mels),
                         "1 to " + std::to_string(n_fft / 2 + 1) + " bands for this n_fft");
  const double nyquist = mel.sample_rate / 2;
  if (!(mel.fmax > 0 && mel.fmax <= nyquist))
    throw ParameterError("fmax", std::to_string(mel.fmax),
                         "above 0 Hz, up to half the sample rate (" + std::to_string(nyquist) + " Hz)");
  if (!(mel.fmin >= 0 && mel.fmin < mel.fmax))
    throw ParameterError("fmin", std::to_string(mel.fmin),
                         "0 Hz up to fmax (" + std::to_string(mel.fmax) + " Hz), exclusive");
}

void check_log(const LogScale& log) {
  const auto is_power = [](double value) { return value > 0 && std::isfinite(value); };
  if (log.ref && !is_power(*log.ref)) throw ParameterError("ref", std::to_string(*log.ref), "a finite power above 0");
  if (!(log.amin >= std::numeric_limits<float>::min() && std::isfinite(log.amin)))
    throw ParameterError("amin", std::to_string(log.amin),
                         "a finite power, 1.2e-38 (the least in single precision) or more");
  if (log.top_db && !(*log.top_db >= 0))
    throw ParameterError("top_db", std::to_string(*log.top_db), "0 dB or more, or None");
  if (log.kind == LogKind::kOffset && !is_power(log.offset))
    throw ParameterError("log_offset", std::to_string(log.offset), "a finite value above 0");
}

FrameTables make_tables(const SpectrogramOptions& options) {
  check(options);
  FrameTables tables;
  tables.n_fft = options.n_fft;
  tables.hop_length = options.framing.hop_length;
  tables.window = options.window;
  for (float& value : tables.window) value *= static_cast<float>(options.gain);
  tables.remove_dc = options.remove_dc;
  tables.preemphasis = static_cast<float>(options.preemphasis);
  tables.kind = options.kind;
  if (options.mel) tables.mel.emplace(*options.mel);
  tables.log = options.log;
  return tables;
}

}  // namespace

void check(const SpectrogramOptions& options) {
  if (!(options.sample_rate > 0) || !std::isfinite(options.sample_rate))
    throw ParameterError("sr", std::to_string(options.sample_rate), "a sample rate above 0 Hz");
  if (options.n_fft < 2 || options.n_fft % 2 != 0 || options.n_fft > kMaxFft)
    throw ParameterError("n_fft", std::to_string(options.n_fft), "an even number from 2 to " + std::to_string(kMaxFft));
  const Framing& framing = options.framing;
  if (framing.hop_length < 1)
    throw ParameterError("hop_length", std::to_string(framing.hop_length), "at least 1 sample");
  if (framing.frame_length < 1 || framing.frame_length > options.n_fft)
    throw ParameterError("win_length", std::to_string(framing.frame_length),
                         "1 to n_fft (" + std::to_string(options.n_fft) + ") samples");
  if (static_cast<int64_t>(options.window.size()) != framing.frame_length)
    throw ParameterError("window", std::to_string(options.window.size()) + " values",
                         "one for each of the " + std::to_string(framing.frame_length) + " samples of a frame");
  if (!std::ranges::all_of(options.window, [](float value) { return std::isfinite(value); }))
    throw ParameterError("window", "NaN or infinite values", "finite values");
  if (!std::isfinite(options.gain) || options.gain == 0)
    throw ParameterError("gain", std::to_string(options.gain), "a finite factor other than 0");
  if (!(options.preemphasis >= 0 && options.preemphasis <= 1))
    throw ParameterError("preemphasis", std::to_string(options.preemphasis), "0 to 1");
  if (options.kind == SpectrumKind::kComplex && (options.mel || options.log.kind != LogKind::kNone))
    throw ParameterError("kind", "complex", "magnitude or power, of which mel bands and logarithms can be taken");
  if (options.mel) check_mel(*options.mel, options.n_fft);
  check_log(options.log);
}

/// A workspace of a Spectrogram for as long as this object lives.
class Spectrogram::Borrowed {
 public:
  explicit Borrowed(const Spectrogram& owner) : owner_(owner) {
    {
      const std::lock_guard lock(owner_.mutex_);
      if (!owner_.idle_.empty()) {
        workspace_ = std::move(owner_.idle_.back());
        owner_.idle_.pop_back();
        return;
      }
    }
    workspace_ = std::make_unique<Workspace>();
    workspace_->kernel = make_frame_kernel(owner_.tables_, owner_.isa_);
    workspace_->lanes.resize(static_cast<size_t>(workspace_->kernel->num_lanes()));
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() {
    const std::lock_guard lock(owner_.mutex_);
    owner_.idle_.push_back(std::move(workspace_));
  }

  Workspace& operator*() { return *workspace_; }

 private:
  const Spectrogram& owner_;
  std::unique_ptr<Workspace> workspace_;
};

Spectrogram::Spectrogram(SpectrogramOptions options)
    : options_(std::move(options)), tables_(make_tables(options_)), isa_(chosen_isa()) {
  Borrowed workspace(*this);
  num_lanes_ = (*workspace).kernel->num_lanes();
}

std::vector<int64_t> Spectrogram::transform(const float* clips, int64_t num_clips, int64_t num_samples, float* rows,
                                            int num_threads, const Poll& poll) const {
  const int64_t num_frames = options_.framing.num_frames(num_samples);
  if (num_clips == 0 || num_frames == 0) return {};
  num_threads = resolve_num_threads(num_threads);
  const int64_t share = (num_clips * num_frames + num_threads - 1) / num_threads;
  const int64_t frames_a_piece = std::clamp(share, kMinRun * num_lanes_, kMaxRun * num_lanes_);
  const int64_t pieces_a_clip = (num_frames + frames_a_piece - 1) / frames_a_piece;
  const int64_t num_pieces = num_clips * pieces_a_clip;
  const int64_t clip_size = num_rows() * num_frames;

  std::vector<float> loudest(static_cast<size_t>(num_pieces));  // of each piece
  std::vector<std::atomic<int64_t>> num_done(static_cast<size_t>(num_clips));
  std::vector<char> is_finite(static_cast<size_t>(num_clips));
  const auto body = [&](int64_t index, Workspace& workspace) {
    const int64_t clip = index / pieces_a_clip;
    const int64_t piece = index % pieces_a_clip;
    const int64_t begin = num_frames * piece / pieces_a_clip;
    const int64_t end = num_frames * (piece + 1) / pieces_a_clip;
    float* target = rows + clip * clip_size;
    loudest[static_cast<size_t>(index)] =
        transform_frames({clips + clip * num_samples, static_cast<size_t>(num_samples)}, 0, begin, end - begin,
                         target + begin, num_frames, workspace);
    // Whoever does a clip's last piece finishes the clip, while it is still in the cache.
    if (num_done[static_cast<size_t>(clip)].fetch_add(1) + 1 != pieces_a_clip) return;
    float clip_loudest = -std::numeric_limits<float>::infinity();
    for (int64_t i = clip * pieces_a_clip; i < (clip + 1) * pieces_a_clip; ++i)
      clip_loudest = larger_or_nan(clip_loudest, loudest[static_cast<size_t>(i)]);
    is_finite[static_cast<size_t>(clip)] = static_cast<char>(finish(target, clip_size, clip_loudest));
  };

  if (num_pieces == 1) {
    Borrowed workspace(*this);
    body(0, *workspace);
  } else {
    std::vector<std::unique_ptr<Borrowed>> workspaces(static_cast<size_t>(num_threads));
    parallel_for(
        num_pieces, num_threads,
        [&](int64_t index, int worker) {
          auto& workspace = workspaces[static_cast<size_t>(worker)];
          if (!workspace) workspace = std::make_unique<Borrowed>(*this);
          body(index, **workspace);
        },
        poll);
  }
  std::vector<int64_t> failed;
  for (int64_t clip = 0; clip < num_clips; ++clip)
    if (!is_finite[static_cast<size_t>(clip)]) failed.push_back(clip);
  return failed;
}

bool Spectrogram::transform(std::span<const float> clip, float* rows) const {
  return transform(clip.data(), 1, static_cast<int64_t>(clip.size()), rows, 1).empty();
}

float Spectrogram::transform_frames(std::span<const float> samples, int64_t origin, int64_t first_frame,
                                    int64_t num_frames, float* rows, int64_t stride, int num_threads,
                                    const Poll& poll) const {
  const int64_t frames_a_piece = kMaxRun * num_lanes_;
  const int64_t num_pieces = (num_frames + frames_a_piece - 1) / frames_a_piece;
  std::vector<float> loudest(static_cast<size_t>(num_pieces));
  const auto body = [&](int64_t piece, int /*worker*/) {
    const int64_t begin = num_frames * piece / num_pieces;
    const int64_t end = num_frames * (piece + 1) / num_pieces;
    Borrowed workspace(*this);
    loudest[static_cast<size_t>(piece)] =
        transform_frames(samples, origin, first_frame + begin, end - begin, rows + begin, stride, *workspace);
  };
  if (num_threads == 1)
    for (int64_t piece = 0; piece < num_pieces; ++piece) body(piece, 0);
  else
    parallel_for(num_pieces, num_threads, body, poll);
  return std::accumulate(loudest.begin(), loudest.end(), -std::numeric_limits<float>::infinity(), larger_or_nan);
}

float Spectrogram::transform_frames(std::span<const float> samples, int64_t origin, int64_t first_frame,
                                    int64_t num_frames, float* rows, int64_t stride, Workspace& workspace) const {
  const Framing& framing = options_.framing;
  const int64_t num_lanes = workspace.kernel->num_lanes();
  const int64_t run_length = (num_frames + num_lanes - 1) / num_lanes;
  const int64_t num_samples = (run_length - 1) * framing.hop_length + framing.frame_length;

  // Lanes read the clip in place, but for the few that reach beyond its ends, and those past the last frame, which
  // read what the first lane reads.
  const auto start_of = [&](int64_t lane) { return framing.start(first_frame + lane * run_length) - origin; };
  const auto is_inside = [&](int64_t start) {
    return start >= 0 && start + num_samples <= static_cast<int64_t>(samples.size());
  };
  int64_t num_padded = 0;
  for (int64_t lane = 0; lane * run_length < num_frames && lane < num_lanes; ++lane)
    num_padded += is_inside(start_of(lane)) ? 0 : 1;
  if (static_cast<int64_t>(workspace.padded.size()) < num_padded * num_samples)
    workspace.padded.resize(static_cast<size_t>(num_padded * num_samples));
  float* padded = workspace.padded.data();
  for (int64_t lane = 0; lane < num_lanes; ++lane) {
    const int64_t start = start_of(lane);
    const float*& source = workspace.lanes[static_cast<size_t>(lane)];
    if (lane * run_length >= num_frames) {
      source = workspace.lanes[0];
    } else if (is_inside(start)) {
      source = samples.data() + start;
    } else {
      read_padded(samples, framing.pad_mode, start, num_samples, padded);
      source = padded;
      padded += num_samples;
    }
  }
  return workspace.kernel->transform(workspace.lanes.data(), run_length, num_frames, rows, stride);
}

bool Spectrogram::finish(float* rows, int64_t num_values, float loudest) const {
  if (!std::isfinite(loudest)) return false;
  const LogScale& log = options_.log;
  if (!log.needs_whole_clip()) return true;
  const float shift = log.ref ? 0.0F : loudest;
  const float floor =
      log.top_db ? loudest - shift - static_cast<float>(*log.top_db) : -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < num_values; ++i) rows[i] = std::max(rows[i] - shift, floor);
  return true;
}

}  // namespace siamaudio

// From power to what a network sees.
#pragma once

#include <optional>

namespace siamaudio {

/// What is done to each value x of a spectrogram.
enum class LogKind {
  kNone,      ///< x
  kDecibels,  ///< 10 log10(max(x, amin) / ref) of powers; of magnitudes the same in powers: 20 log10(...)
  kFloor,     ///< ln(max(x, amin)), Kaldi's
  kOffset,    ///< ln(x + offset), YAMNet's
  kNonZero,   ///< ln(x), and 0 where x is 0: Honka's
};

struct LogScale {
  LogKind kind = LogKind::kDecibels;
  double amin = 1e-10;                ///< power below which nothing is told apart
  std::optional<double> ref = 1;      ///< power that becomes 0 dB; none: a clip's largest
  std::optional<double> top_db = 80;  ///< dB kept below a clip's loudest value; none: all
  double offset = 0;                  ///< added before the logarithm

  /// Whether what becomes of a value depends on the rest of its clip.
  bool needs_whole_clip() const { return kind == LogKind::kDecibels && (top_db || !ref); }
};

}  // namespace siamaudio

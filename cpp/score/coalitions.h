// Random sets of segments, of which SINEXC learns how segments work together.
#pragma once

#include <cstdint>
#include <vector>

namespace siamaudio {

/// Default: Fedele et al. 2022.
struct CoalitionOptions {
  int64_t alpha = 150;     ///< coalitions that each segment is in, 1 or more
  double beta = 0.15;      ///< chance of every other segment to be in one of them, in [0, 1]
  bool are_shared = true;  ///< a coalition counts for all its members: fewer of them, drawn from the same distribution
};

/// Different sets of segments, and which of them belong to a segment; a set may belong to it more than once.
struct Coalitions {
  int64_t num_segments = 0;
  int64_t num_sets = 0;
  std::vector<uint8_t> members;     ///< (num_sets, num_segments), 1 for those in the set
  std::vector<int64_t> of_segment;  ///< (num_segments, alpha), rows of `members`
};

/// Each segment by itself: the only coalition that it is in.
Coalitions single_segments(int64_t num_segments);

/// For each segment alpha random coalitions that contain it and any other with chance beta.
///
/// Shared, alpha / beta coalitions are drawn for all segments together, each segment being put into alpha of them;
/// where beta num_segments is below 1, drawing them separately takes fewer. Sets that come up again are kept once.
/// Throws ParameterError.
Coalitions draw_coalitions(int64_t num_segments, const CoalitionOptions& options, uint64_t seed);

}  // namespace siamaudio

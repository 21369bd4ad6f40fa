// Leave-one-out retrieval: each clip is a query for all others, ranked by their similarity to it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/poll.h"

namespace siamaudio {

/// Clips that are queries and answers of each other.
struct RetrievalClips {
  std::vector<std::vector<int64_t>> labellings;  ///< each (clips,): what is relevant has the query's label
  std::vector<int64_t> groups;                   ///< (clips,), a query is never answered by its own; empty: but itself
};

/// What the queries of a block found, row by row. A query is answered by the clips that it may meet, most similar
/// first, of equally similar ones the first in the data.
struct RetrievalScores {
  std::vector<int64_t> nearest;  ///< (queries,): the first answer, -1 where it meets none
  std::vector<int64_t> met;      ///< (queries,): clips that it meets

  /// Of one labelling. Precision at a rank: the share of relevant clips among those up to it.
  struct Labelling {
    std::vector<int64_t> relevant;   ///< (queries,): clips of its label that it meets
    std::vector<uint8_t> is_tied;    ///< (queries,): a clip of another label is exactly as similar as the first answer
    std::vector<int64_t> found;      ///< (queries, ks): relevant ones among the first k
    std::vector<double> precisions;  ///< (queries, ks): sum of the precisions at the relevant ranks up to k
    std::vector<double> average_precision;  ///< (queries,): their mean over all relevant clips; NaN without any
    std::vector<double> r_precision;        ///< (queries,): precision at as many ranks as there are relevant clips; NaN
  };
  std::vector<Labelling> labellings;
};

/// similarity: (queries, clips) row by row, higher is more similar, of the queries first_query, first_query + 1, …; of
/// a query and itself it is not read. ks: ranks, 1 or more. Throws ParameterError for NaN.
template <typename Value>
RetrievalScores score_retrieval(const RetrievalClips& clips, std::span<const Value> similarity, int64_t first_query,
                                std::span<const int64_t> ks, int num_threads, const Poll& poll);

}  // namespace siamaudio

#include "score/retrieval.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

#include "base/errors.h"
#include "base/parallel.h"
#include "score/sort_floats.h"

namespace siamaudio {
namespace {

/// Clips in the order of the answers to one query after the other.
template <typename Value>
class Ranking {
 public:
  struct Wide {
    double key;
    int32_t value;
  };
  /// Minus the similarity, and the clip.
  using Entry = std::conditional_t<std::is_same_v<Value, float>, Keyed, Wide>;

  /// row: similarity of the query to every clip.
  void rank(const RetrievalClips& clips, size_t query, const Value* row, size_t num_clips) {
    entries_.clear();
    for (size_t clip = 0; clip < num_clips; ++clip) {
      if (clip == query) continue;
      if (std::isnan(row[clip]))
        throw ParameterError("similarity", "NaN for clips " + std::to_string(query) + " and " + std::to_string(clip),
                             "numbers");
      if (!clips.groups.empty() && clips.groups[clip] == clips.groups[query]) continue;
      entries_.push_back({-row[clip], static_cast<int32_t>(clip)});
    }
    if constexpr (std::is_same_v<Value, float>) {
      constexpr size_t kFewest = 500;  // for which counting digits pays
      if (entries_.size() >= kFewest) return sort_by_key(entries_, scratch_);
    }
    std::ranges::stable_sort(entries_, {}, &Entry::key);
  }

  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
  std::vector<Keyed> scratch_;
};

template <typename Entry>
void score_labelling(const std::vector<Entry>& ranked, const std::vector<int64_t>& labels, int64_t own_label,
                     std::span<const int64_t> ks, size_t query, RetrievalScores::Labelling& scores) {
  const auto is_relevant = [&](const Entry& entry) { return labels[static_cast<size_t>(entry.value)] == own_label; };
  int64_t* found = scores.found.data() + query * ks.size();
  double* precisions = scores.precisions.data() + query * ks.size();
  const int64_t num_relevant = std::ranges::count_if(ranked, is_relevant);
  int64_t hits = 0;
  int64_t hits_at_relevant = 0;
  double sum = 0;
  for (size_t rank = 0; rank < ranked.size() && hits < num_relevant; ++rank) {
    if (!is_relevant(ranked[rank])) continue;
    ++hits;
    const double precision = static_cast<double>(hits) / static_cast<double>(rank + 1);
    sum += precision;
    if (static_cast<int64_t>(rank) < num_relevant) ++hits_at_relevant;
    for (size_t i = 0; i < ks.size(); ++i)
      if (static_cast<int64_t>(rank) < ks[i]) {
        found[i] = hits;
        precisions[i] = sum;
      }
  }
  const double missing = std::numeric_limits<double>::quiet_NaN();
  const auto count = static_cast<double>(num_relevant);
  scores.relevant[query] = num_relevant;
  scores.average_precision[query] = num_relevant > 0 ? sum / count : missing;
  scores.r_precision[query] = num_relevant > 0 ? static_cast<double>(hits_at_relevant) / count : missing;
  if (ranked.empty()) return;
  const int64_t answer = labels[static_cast<size_t>(ranked.front().value)];
  for (size_t rank = 1; rank < ranked.size() && ranked[rank].key == ranked.front().key; ++rank)
    if (labels[static_cast<size_t>(ranked[rank].value)] != answer) scores.is_tied[query] = 1;
}

}  // namespace

template <typename Value>
RetrievalScores score_retrieval(const RetrievalClips& clips, std::span<const Value> similarity, int64_t first_query,
                                std::span<const int64_t> ks, int num_threads, const Poll& poll) {
  const size_t num_clips = clips.labellings.front().size();
  const size_t num_queries = similarity.size() / num_clips;
  RetrievalScores scores;
  scores.nearest.assign(num_queries, -1);
  scores.met.assign(num_queries, 0);
  for (size_t labelling = 0; labelling < clips.labellings.size(); ++labelling)
    scores.labellings.push_back({.relevant = std::vector<int64_t>(num_queries),
                                 .is_tied = std::vector<uint8_t>(num_queries),
                                 .found = std::vector<int64_t>(num_queries * ks.size()),
                                 .precisions = std::vector<double>(num_queries * ks.size()),
                                 .average_precision = std::vector<double>(num_queries),
                                 .r_precision = std::vector<double>(num_queries)});
  num_threads = static_cast<int>(
      std::min<int64_t>(resolve_num_threads(num_threads), std::max<int64_t>(1, static_cast<int64_t>(num_queries))));
  std::vector<Ranking<Value>> rankings(static_cast<size_t>(num_threads));
  parallel_for(
      static_cast<int64_t>(num_queries), num_threads,
      [&](int64_t i, int worker) {
        auto& ranking = rankings[static_cast<size_t>(worker)];
        const auto query = static_cast<size_t>(i);
        const size_t clip = static_cast<size_t>(first_query) + query;
        ranking.rank(clips, clip, similarity.data() + query * num_clips, num_clips);
        const auto& ranked = ranking.entries();
        scores.met[query] = static_cast<int64_t>(ranked.size());
        if (!ranked.empty()) scores.nearest[query] = ranked.front().value;
        for (size_t labelling = 0; labelling < clips.labellings.size(); ++labelling) {
          const auto& labels = clips.labellings[labelling];
          score_labelling(ranked, labels, labels[clip], ks, query, scores.labellings[labelling]);
        }
      },
      poll);
  return scores;
}

template RetrievalScores score_retrieval(const RetrievalClips&, std::span<const float>, int64_t,
                                         std::span<const int64_t>, int, const Poll&);
template RetrievalScores score_retrieval(const RetrievalClips&, std::span<const double>, int64_t,
                                         std::span<const int64_t>, int, const Poll&);

}  // namespace siamaudio

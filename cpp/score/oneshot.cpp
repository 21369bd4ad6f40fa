#include "score/oneshot.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <utility>

#include "base/errors.h"
#include "base/parallel.h"

namespace siamaudio {
namespace {

OneShotClips checked(OneShotClips clips, const OneShotOptions& options) {
  if (options.ways < 2 || options.ways > clips.num_classes)
    throw ParameterError("ways", std::to_string(options.ways),
                         "2 to " + std::to_string(clips.num_classes) + ", the number of classes");
  if (options.most_ways < options.ways || options.most_ways > clips.num_classes)
    throw ParameterError("most_ways", std::to_string(options.most_ways),
                         std::to_string(options.ways) + " to " + std::to_string(clips.num_classes) +
                             ", from the ways to the number of classes");
  // Two clips, or sources, a class let every query meet a support of every class.
  std::vector<std::set<int64_t>> kinds(static_cast<size_t>(clips.num_classes));
  for (size_t i = 0; i < clips.labels.size(); ++i) {
    auto& of_class = kinds[static_cast<size_t>(clips.labels[i])];
    if (of_class.size() < 2) of_class.insert(clips.sources.empty() ? static_cast<int64_t>(i) : clips.sources[i]);
  }
  const std::string what = clips.sources.empty() ? "clips" : "sources";
  for (const auto& of_class : kinds)
    if (of_class.size() < 2)
      throw ParameterError("labels", "a class with fewer than 2 " + what, "2 or more " + what + " a class");
  return clips;
}

}  // namespace

/// What one thread needs to score one query after the other.
template <typename Value>
class ExactOneShot::Scorer {
 public:
  explicit Scorer(const ExactOneShot& task)
      : task_(task),
        labels_(task.clips_.labels),
        num_classes_(static_cast<size_t>(task.clips_.num_classes)),
        sizes_(num_classes_),
        factors_(num_classes_ * kSubsetLanes),
        means_(static_cast<size_t>(task.options_.most_ways) * kSubsetLanes),
        less_(num_classes_),
        equal_(num_classes_) {
    if (task.plan_) tree_.emplace(*task.plan_);
  }

  /// row: similarity of the query to every clip. wins: (most_ways - 1,). pair_wins: share won by each clip of the
  /// query's class, in the order of members_; NaN for those that it does not meet. confusion: (classes,) or null.
  void score(int64_t query, const Value* row, double* wins, double* pair_wins, double* confusion) {
    query_ = static_cast<size_t>(query);
    own_class_ = static_cast<size_t>(labels_[query_]);
    read(row);
    score_own(wins, pair_wins);
    if (confusion == nullptr) return;
    if (tree_)
      score_others(confusion);
    else
      score_pairs(confusion);
    confusion[own_class_] = wins[task_.options_.ways - 2];
  }

 private:
  struct Entry {
    Value similarity;
    int32_t place;  ///< in own_ among the members of the class, in others_ the class
  };

  /// The clips that this query meets, those of its class apart, and how many of each class they are.
  void read(const Value* row) {
    const auto& sources = task_.clips_.sources;
    own_.clear();
    others_.clear();
    std::ranges::fill(sizes_, 0);
    int32_t member = -1;
    for (size_t clip = 0; clip < labels_.size(); ++clip) {
      const auto label = static_cast<size_t>(labels_[clip]);
      member += label == own_class_ ? 1 : 0;
      if (clip == query_) continue;
      if (std::isnan(row[clip]))
        throw ParameterError("similarity", "NaN for clips " + std::to_string(query_) + " and " + std::to_string(clip),
                             "numbers");
      if (!sources.empty() && sources[clip] == sources[query_]) continue;
      ++sizes_[label];
      if (label == own_class_)
        own_.push_back({row[clip], member});
      else
        others_.push_back({row[clip], static_cast<int32_t>(label)});
    }
    std::ranges::sort(own_, {}, &Entry::similarity);
  }

  // ---- Wins of the query's own class, for every number of ways

  void score_own(double* wins, double* pair_wins) {
    count_others();
    std::fill_n(pair_wins, task_.members_[own_class_].size(), std::numeric_limits<double>::quiet_NaN());
    std::fill_n(wins, task_.options_.most_ways - 1, 0.0);
    lane_ = 0;
    for (size_t value = 0, begin = 0, end = 0; begin < own_.size(); begin = end, ++value) {
      for (end = begin; end < own_.size() && own_[end].similarity == own_[begin].similarity; ++end)
        pair_wins[own_[end].place] = 0;
      const size_t at = value * num_classes_;
      int64_t num_tied = 0;
      for (size_t c = 0; c < num_classes_; ++c) num_tied += counts_equal_[at + c] > 0 ? 1 : 0;
      const auto& rule = task_.quadrature_.rule(std::min(num_tied, task_.options_.most_ways - 1));
      for (size_t node = 0; node < rule.nodes.size(); ++node) {
        double* factor = factors_.data() + lane_;
        for (size_t c = 0; c < num_classes_; ++c) {
          if (c == own_class_) continue;
          *factor = (static_cast<double>(counts_less_[at + c]) +
                     rule.nodes[node] * static_cast<double>(counts_equal_[at + c])) /
                    static_cast<double>(sizes_[c]);
          factor += kSubsetLanes;
        }
        lanes_[lane_++] = {rule.weights[node], begin, end};
        if (lane_ == kSubsetLanes) finish_lanes(wins, pair_wins);
      }
    }
    finish_lanes(wins, pair_wins);
    for (int64_t k = 0; k < task_.options_.most_ways - 1; ++k) wins[k] /= static_cast<double>(own_.size());
  }

  /// For each distinct similarity of a support of the query's class, from the least on: how many clips of each other
  /// class are less similar, and how many exactly as similar.
  void count_others() {
    distinct_.clear();
    for (const Entry& entry : own_)
      if (distinct_.empty() || distinct_.back() != entry.similarity) distinct_.push_back(entry.similarity);
    counts_less_.assign((distinct_.size() + 1) * num_classes_, 0);
    counts_equal_.assign((distinct_.size() + 1) * num_classes_, 0);
    for (const Entry& entry : others_) {
      const size_t place = lower_bound(entry.similarity);
      const auto label = static_cast<size_t>(entry.place);
      const bool is_equal = place < distinct_.size() && distinct_[place] == entry.similarity;
      // First as many as fall between two; the sums follow.
      ++(is_equal ? counts_equal_ : counts_less_)[place * num_classes_ + label];
    }
    for (size_t place = 1; place < distinct_.size(); ++place)
      for (size_t c = 0; c < num_classes_; ++c)
        counts_less_[place * num_classes_ + c] +=
            counts_less_[(place - 1) * num_classes_ + c] + counts_equal_[(place - 1) * num_classes_ + c];
  }

  /// The first of distinct_ that is not less, without branches that the processor would guess wrong.
  size_t lower_bound(Value similarity) const {
    const Value* first = distinct_.data();
    for (size_t size = distinct_.size(); size > 0;) {
      const size_t half = (size + 1) / 2;
      first += first[half - 1] < similarity ? half : 0;
      size -= half;
    }
    return static_cast<size_t>(first - distinct_.data());
  }

  void finish_lanes(double* wins, double* pair_wins) {
    if (lane_ == 0) return;
    const int64_t most = task_.options_.most_ways - 1;
    mean_subset_products(factors_.data(), static_cast<int64_t>(num_classes_) - 1, most, means_.data());
    for (int lane = 0; lane < lane_; ++lane) {
      const auto [weight, begin, end] = lanes_[lane];
      for (int64_t k = 1; k <= most; ++k)
        wins[k - 1] += weight * static_cast<double>(end - begin) * means_[static_cast<size_t>(k * kSubsetLanes + lane)];
      const double share = weight * means_[static_cast<size_t>((task_.options_.ways - 1) * kSubsetLanes + lane)];
      for (size_t i = begin; i < end; ++i) pair_wins[own_[i].place] += share;
    }
    lane_ = 0;
  }

  // ---- Wins of the other classes

  /// Between two classes nothing is left to average: each clip wins where it is the more similar one.
  void score_pairs(double* confusion) {
    std::fill_n(confusion, num_classes_, 0.0);
    for (const Entry& entry : others_) {
      const size_t place = lower_bound_own(entry.similarity);
      size_t end = place;
      while (end < own_.size() && own_[end].similarity == entry.similarity) ++end;
      const double won =
          (static_cast<double>(place) + static_cast<double>(end - place) / 2) / static_cast<double>(own_.size());
      const auto label = static_cast<size_t>(entry.place);
      confusion[label] += won / static_cast<double>(sizes_[label]) / static_cast<double>(num_classes_ - 1);
    }
  }

  size_t lower_bound_own(Value similarity) const {
    return static_cast<size_t>(std::ranges::lower_bound(own_, similarity, {}, &Entry::similarity) - own_.begin());
  }

  /// From the least similar clip to the most similar: behind each group of equal ones the tree knows what share of
  /// each class has been passed.
  void score_others(double* confusion) {
    std::fill_n(confusion, num_classes_, 0.0);
    std::ranges::sort(others_, {}, &Entry::similarity);
    std::ranges::fill(less_, 0);
    is_tree_set_ = false;
    // Whatever is less similar than all of the query's class never wins.
    size_t begin = 0;
    for (; begin < others_.size() && others_[begin].similarity < own_.front().similarity; ++begin)
      ++less_[class_at(begin)];
    size_t own_less = 0;
    for (size_t end = begin; begin < others_.size(); begin = end) {
      const Value similarity = others_[begin].similarity;
      while (own_less < own_.size() && own_[own_less].similarity < similarity) ++own_less;
      size_t own_up_to = own_less;
      while (own_up_to < own_.size() && own_[own_up_to].similarity == similarity) ++own_up_to;
      while (end < others_.size() && others_[end].similarity == similarity) ++end;
      if (!is_tree_set_) set_tree();
      if (end == begin + 1 && own_up_to == own_less)
        add_clip(class_at(begin), own_less, confusion);
      else
        add_group(begin, end, own_less, own_up_to, confusion);
    }
    // Another class takes part in (ways - 1) of (classes - 1) tasks.
    const double share = static_cast<double>(task_.options_.ways - 1) / static_cast<double>(num_classes_ - 1) /
                         static_cast<double>(own_.size());
    for (size_t c = 0; c < num_classes_; ++c) confusion[c] *= share / static_cast<double>(sizes_[c]);
  }

  size_t class_at(size_t other) const { return static_cast<size_t>(others_[other].place); }

  /// The other classes stand in the tree in their order.
  int64_t leaf(size_t c) const { return static_cast<int64_t>(c < own_class_ ? c : c - 1); }

  double passed(size_t c, double u) const {
    return (static_cast<double>(less_[c]) + u * static_cast<double>(equal_[c])) / static_cast<double>(sizes_[c]);
  }

  void set_tree() {
    leaves_.clear();
    for (size_t c = 0; c < num_classes_; ++c)
      if (c != own_class_) leaves_.push_back(static_cast<double>(less_[c]) / static_cast<double>(sizes_[c]));
    tree_->set_all(leaves_.data());
    is_tree_set_ = true;
  }

  /// A clip that is as similar as no other.
  void add_clip(size_t c, size_t own_less, double* confusion) {
    confusion[c] += static_cast<double>(own_less) * tree_->mean_without(leaf(c));
    ++less_[c];
    tree_->set(leaf(c), static_cast<double>(less_[c]) / static_cast<double>(sizes_[c]));
  }

  /// Clips that are exactly as similar as each other, some of the query's class perhaps.
  void add_group(size_t begin, size_t end, size_t own_less, size_t own_up_to, double* confusion) {
    tied_.clear();
    for (size_t i = begin; i < end; ++i)
      if (equal_[class_at(i)]++ == 0) tied_.push_back(class_at(i));
    const auto num_tied = static_cast<int64_t>(tied_.size() - 1 + (own_up_to > own_less ? 1 : 0));
    const auto& rule = task_.quadrature_.rule(std::min(num_tied, task_.options_.ways - 1));
    for (size_t node = 0; node < rule.nodes.size(); ++node) {
      const double u = rule.nodes[node];
      for (const size_t c : tied_) tree_->set(leaf(c), passed(c, u));
      const double own = static_cast<double>(own_less) + u * static_cast<double>(own_up_to - own_less);
      for (const size_t c : tied_)
        confusion[c] += rule.weights[node] * own * static_cast<double>(equal_[c]) * tree_->mean_without(leaf(c));
    }
    for (const size_t c : tied_) {
      less_[c] += equal_[c];
      equal_[c] = 0;
      tree_->set(leaf(c), passed(c, 0));
    }
  }

  /// Supports of the query's class that are tied, [begin, end) of own_, at one node of the integral over ties.
  struct OwnLane {
    double weight;
    size_t begin, end;
  };

  const ExactOneShot& task_;
  const std::vector<int64_t>& labels_;
  size_t num_classes_;
  size_t query_ = 0;
  size_t own_class_ = 0;
  std::vector<Entry> own_;     // of the query's class, least similar first
  std::vector<Entry> others_;  // of other classes; sorted for the confusion alone
  std::vector<int64_t> sizes_;

  std::vector<Value> distinct_;        // similarities of own_
  std::vector<int32_t> counts_less_;   // (distinct, classes)
  std::vector<int32_t> counts_equal_;  // (distinct, classes)
  OwnLane lanes_[kSubsetLanes];
  int lane_ = 0;
  std::vector<double> factors_;  // (other classes, lanes)
  std::vector<double> means_;    // (most_ways, lanes)

  std::optional<SubsetMeanTree> tree_;
  bool is_tree_set_ = false;
  std::vector<double> leaves_;
  std::vector<int64_t> less_;   // clips of each class less similar than the group
  std::vector<int64_t> equal_;  // clips of each class in the group
  std::vector<size_t> tied_;    // classes in the group
};

ExactOneShot::ExactOneShot(OneShotClips clips, const OneShotOptions& options)
    : clips_(checked(std::move(clips), options)),
      options_(options),
      members_(static_cast<size_t>(clips_.num_classes)),
      quadrature_(options.most_ways - 1) {
  for (size_t clip = 0; clip < clips_.labels.size(); ++clip)
    members_[static_cast<size_t>(clips_.labels[clip])].push_back(static_cast<int64_t>(clip));
  if (options.confusion && options.ways > 2) plan_.emplace(clips_.num_classes - 1, options.ways - 2);
}

template <typename Value>
OneShotScores ExactOneShot::score(std::span<const Value> similarity, int64_t first_query, int num_threads,
                                  const Poll& poll) const {
  const auto num_clips = static_cast<int64_t>(clips_.labels.size());
  const int64_t num_queries = static_cast<int64_t>(similarity.size()) / num_clips;
  const int64_t num_wins = options_.most_ways - 1;
  num_threads =
      static_cast<int>(std::min<int64_t>(resolve_num_threads(num_threads), std::max<int64_t>(1, num_queries)));
  std::vector<Scorer<Value>> scorers;
  scorers.reserve(static_cast<size_t>(num_threads));
  for (int worker = 0; worker < num_threads; ++worker) scorers.emplace_back(*this);

  OneShotScores scores;
  scores.wins.resize(static_cast<size_t>(num_queries * num_wins));
  if (options_.confusion) scores.confusion.resize(static_cast<size_t>(num_queries * clips_.num_classes));
  // Of each query: the share won by each clip of its class, NaN for those that it does not meet.
  const auto most_members = static_cast<int64_t>(std::ranges::max(members_, {}, &std::vector<int64_t>::size).size());
  std::vector<double> pair_wins(static_cast<size_t>(num_queries * most_members));
  parallel_for(
      num_queries, num_threads,
      [&](int64_t i, int worker) {
        scorers[static_cast<size_t>(worker)].score(
            first_query + i, similarity.data() + i * num_clips, scores.wins.data() + i * num_wins,
            pair_wins.data() + i * most_members,
            options_.confusion ? scores.confusion.data() + i * clips_.num_classes : nullptr);
      },
      poll);

  // Serially: the result does not depend on the threads.
  scores.support_influence.resize(static_cast<size_t>(num_clips));
  for (int64_t i = 0; i < num_queries; ++i) {
    const auto& members = members_[static_cast<size_t>(clips_.labels[static_cast<size_t>(first_query + i)])];
    const std::span<const double> row(pair_wins.data() + i * most_members, members.size());
    const auto num_supports = static_cast<double>(std::ranges::count_if(row, [](double p) { return !std::isnan(p); }));
    const double mean = scores.wins[static_cast<size_t>(i * num_wins + options_.ways - 2)];
    for (size_t k = 0; k < members.size(); ++k)
      if (!std::isnan(row[k]))
        scores.support_influence[static_cast<size_t>(members[k])] += (row[k] - mean) / num_supports;
  }
  return scores;
}

template OneShotScores ExactOneShot::score(std::span<const float>, int64_t, int, const Poll&) const;
template OneShotScores ExactOneShot::score(std::span<const double>, int64_t, int, const Poll&) const;

double exact_oneshot_accuracy(std::span<const float> similarity, const std::vector<int64_t>& labels,
                              int64_t num_classes, int64_t ways, int num_threads, const Poll& poll) {
  const ExactOneShot task({.labels = labels, .sources = {}, .num_classes = num_classes},
                          {.ways = ways, .most_ways = ways, .confusion = false});
  const OneShotScores scores = task.score(similarity, 0, num_threads, poll);
  std::vector<double> won(static_cast<size_t>(num_classes));
  std::vector<double> sizes(static_cast<size_t>(num_classes));
  for (size_t query = 0; query < labels.size(); ++query) {
    won[static_cast<size_t>(labels[query])] +=
        scores.wins[query * static_cast<size_t>(ways - 1) + static_cast<size_t>(ways - 2)];
    ++sizes[static_cast<size_t>(labels[query])];
  }
  double accuracy = 0;
  for (size_t c = 0; c < won.size(); ++c) accuracy += won[c] / sizes[c] / static_cast<double>(num_classes);
  return accuracy;
}

}  // namespace siamaudio

#include "score/fewshot.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>

#include "base/choices.h"
#include "base/errors.h"
#include "base/parallel.h"
#include "base/random.h"

namespace siamaudio {
namespace {

constexpr int64_t kTasksAtOnce = 64;  // what a thread fetches; one task alone takes about as long as fetching it

/// Calls body(task, worker) for every task.
template <typename Body>
void for_each_task(int64_t num_tasks, int num_threads, const Body& body, const Poll& poll) {
  parallel_for((num_tasks + kTasksAtOnce - 1) / kTasksAtOnce, num_threads,
               [&](int64_t block, int worker) {
                 const int64_t end = std::min(num_tasks, (block + 1) * kTasksAtOnce);
                 for (int64_t task = block * kTasksAtOnce; task < end; ++task) body(task, worker);
               },
               poll);
}

/// Brings `count` of the values to the front, drawn without replacement.
void draw(std::vector<int64_t>& values, int64_t count, Random& random) {
  const auto size = static_cast<int64_t>(values.size());
  for (int64_t i = 0; i < count; ++i)
    std::swap(values[static_cast<size_t>(i)], values[static_cast<size_t>(i + random.below(size - i))]);
}

/// The classes of all tasks, dealt from one shuffled deck of all classes after the other. A class that the task has
/// already stays at the top of the deck for the next task.
std::vector<int64_t> deal_classes(int64_t num_classes, const TaskOptions& options) {
  Random random(options.seed, 0);
  std::vector<int64_t> dealt;
  std::vector<int64_t> deck;  // dealt from the back
  for (int64_t task = 0; task < options.tasks; ++task) {
    const auto begin = static_cast<std::ptrdiff_t>(dealt.size());
    while (static_cast<int64_t>(dealt.size()) - begin < options.ways) {
      const auto is_new = [&](int64_t c) { return std::find(dealt.begin() + begin, dealt.end(), c) == dealt.end(); };
      auto top = std::find_if(deck.rbegin(), deck.rend(), is_new);
      if (top == deck.rend()) {
        std::vector<int64_t> fresh(static_cast<size_t>(num_classes));
        for (int64_t c = 0; c < num_classes; ++c) fresh[static_cast<size_t>(c)] = c;
        random.shuffle(fresh);
        deck.insert(deck.begin(), fresh.begin(), fresh.end());
        top = std::find_if(deck.rbegin(), deck.rend(), is_new);
      }
      dealt.push_back(*top);
      deck.erase(std::next(top).base());
    }
  }
  return dealt;
}

/// Draws the clips of one task after the other.
class TaskDrawer {
 public:
  TaskDrawer(std::span<const int64_t> sources, const std::vector<std::vector<int64_t>>& members,
             const TaskOptions& options)
      : sources_(sources), members_(members), options_(options), drawn_(static_cast<size_t>(options.ways)) {}

  /// classes: of the task, dealt already where they are all queried and stratified, else drawn here.
  void draw_task(int64_t task, int64_t* classes, int64_t* supports, int64_t* queries) {
    Random random(options_.seed, static_cast<uint64_t>(task) + 1);
    const auto num_classes = static_cast<int64_t>(members_.size());
    if (!options_.is_stratified || options_.has_one_query) {
      candidates_.resize(members_.size());
      for (size_t c = 0; c < members_.size(); ++c) candidates_[c] = static_cast<int64_t>(c);
      // The class that is asked for, in turn; the others are drawn.
      if (options_.is_stratified) {
        *classes++ = task % num_classes;
        candidates_.erase(candidates_.begin() + task % num_classes);
      }
      const int64_t num_drawn = options_.ways - (options_.is_stratified ? 1 : 0);
      draw(candidates_, num_drawn, random);
      std::copy_n(candidates_.begin(), num_drawn, classes);
      classes -= options_.is_stratified ? 1 : 0;
    }
    constexpr int kMostAttempts = 1000;
    for (int attempt = 0; attempt < kMostAttempts; ++attempt)
      if (draw_clips(random, classes, supports, queries)) return;
    throw ParameterError("sources",
                         "too few for tasks of " + std::to_string(options_.shots) + " supports and " +
                             std::to_string(options_.queries) + " queries a class",
                         "more sources a class, fewer shots and queries, or tasks that are not source-disjoint");
  }

 private:
  bool draw_clips(Random& random, const int64_t* classes, int64_t* supports, int64_t* queries) {
    met_.clear();
    for (int64_t way = 0; way < options_.ways; ++way) {
      auto& drawn = drawn_[static_cast<size_t>(way)];
      drawn = members_[static_cast<size_t>(classes[way])];
      if (options_.has_one_query && way > 0) continue;
      draw(drawn, options_.queries, random);
      for (int64_t i = 0; i < options_.queries; ++i) {
        *queries++ = drawn[static_cast<size_t>(i)];
        if (!sources_.empty()) met_.push_back(sources_[static_cast<size_t>(drawn[static_cast<size_t>(i)])]);
      }
      drawn.erase(drawn.begin(), drawn.begin() + options_.queries);
    }
    for (int64_t way = 0; way < options_.ways; ++way) {
      auto& drawn = drawn_[static_cast<size_t>(way)];
      if (!sources_.empty())
        std::erase_if(drawn, [&](int64_t clip) {
          return std::ranges::find(met_, sources_[static_cast<size_t>(clip)]) != met_.end();
        });
      if (static_cast<int64_t>(drawn.size()) < options_.shots) return false;
      draw(drawn, options_.shots, random);
      supports = std::copy_n(drawn.begin(), options_.shots, supports);
    }
    return true;
  }

  std::span<const int64_t> sources_;
  const std::vector<std::vector<int64_t>>& members_;
  const TaskOptions& options_;
  std::vector<int64_t> candidates_;
  std::vector<std::vector<int64_t>> drawn_;  // of each class of the task
  std::vector<int64_t> met_;                 // sources of the task's queries
};

/// 1 for the largest score, divided where several are.
void share_among_winners(std::span<const double> scores, double* shares) {
  const double best = std::ranges::max(scores);
  const double share = 1.0 / static_cast<double>(std::ranges::count(scores, best));
  for (size_t way = 0; way < scores.size(); ++way) shares[way] = scores[way] == best ? share : 0;
}

/// What the similarities of one query to all supports of its task come to, for each class.
class Merger {
 public:
  Merger(const Tasks& tasks, const MergeOptions& options)
      : ways_(static_cast<size_t>(tasks.ways)),
        shots_(static_cast<size_t>(tasks.shots)),
        options_(options),
        values_(ways_ * shots_),
        sorted_(ways_ * shots_),
        scores_(ways_) {}

  template <typename Value>
  void merge(const Value* row, const int64_t* supports, double* shares) {
    for (size_t i = 0; i < values_.size(); ++i) values_[i] = static_cast<double>(row[supports[i]]);
    if (options_.merge == Merge::kNeighbours)
      count_neighbours();
    else
      for (size_t way = 0; way < ways_; ++way) scores_[way] = merged({values_.data() + way * shots_, shots_});
    share_among_winners(scores_, shares);
  }

  bool has_nan() const {
    return std::ranges::any_of(values_, [](double value) { return std::isnan(value); });
  }

 private:
  double merged(std::span<double> values) const {
    double sum = 0;
    switch (options_.merge) {
      case Merge::kMean:
        for (const double value : values) sum += value;
        return sum;
      case Merge::kWeighted:
        std::ranges::sort(values, std::greater<>());
        for (size_t i = 0; i < values.size(); ++i) sum += options_.weights[i] * values[i];
        return sum;
      case Merge::kMax:
      case Merge::kNeighbours:
        break;
    }
    return std::ranges::max(values);
  }

  void count_neighbours() {
    const auto wanted = static_cast<size_t>(options_.neighbours);
    sorted_ = values_;
    std::ranges::nth_element(sorted_, sorted_.begin() + static_cast<std::ptrdiff_t>(wanted - 1), std::greater<>());
    const double last = sorted_[wanted - 1];
    const auto above = [&](double value) { return value > last; };
    const auto num_above = static_cast<double>(std::ranges::count_if(values_, above));
    const auto num_tied = static_cast<double>(std::ranges::count(values_, last));
    // Votes as whole numbers of ties: sums that are equal must be exactly so.
    const double vote_of_tied = static_cast<double>(wanted) - num_above;
    for (size_t way = 0; way < ways_; ++way) {
      const std::span<const double> values(values_.data() + way * shots_, shots_);
      scores_[way] = static_cast<double>(std::ranges::count_if(values, above)) * num_tied +
                     static_cast<double>(std::ranges::count(values, last)) * vote_of_tied;
    }
  }

  size_t ways_;
  size_t shots_;
  const MergeOptions& options_;
  std::vector<double> values_;  // (ways, shots)
  std::vector<double> sorted_;
  std::vector<double> scores_;
};

}  // namespace

Tasks draw_tasks(std::span<const int64_t> labels, std::span<const int64_t> sources, int64_t num_classes,
                 const TaskOptions& options, int num_threads, const Poll& poll) {
  if (options.ways < 2 || options.ways > num_classes)
    throw ParameterError("ways", std::to_string(options.ways),
                         "2 to " + std::to_string(num_classes) + ", the number of classes");
  for (const auto& [name, value] :
       {std::pair{"shots", options.shots}, std::pair{"queries", options.queries}, std::pair{"tasks", options.tasks}})
    if (value < 1) throw ParameterError(name, std::to_string(value), "1 or more");
  std::vector<std::vector<int64_t>> members(static_cast<size_t>(num_classes));
  for (size_t clip = 0; clip < labels.size(); ++clip)
    members[static_cast<size_t>(labels[clip])].push_back(static_cast<int64_t>(clip));
  const auto fewest = static_cast<int64_t>(std::ranges::min(members, {}, &std::vector<int64_t>::size).size());
  if (fewest < options.shots + options.queries)
    throw ParameterError("shots",
                         std::to_string(options.shots) + " and " + std::to_string(options.queries) + " queries",
                         "as many as the " + std::to_string(fewest) + " clips of the smallest class");

  Tasks tasks{.num_tasks = options.tasks,
              .ways = options.ways,
              .shots = options.shots,
              .queries_per_task = options.queries * (options.has_one_query ? 1 : options.ways),
              .classes = {},
              .supports = std::vector<int64_t>(static_cast<size_t>(options.tasks * options.ways * options.shots)),
              .queries = {}};
  if (options.is_stratified && !options.has_one_query)
    tasks.classes = deal_classes(num_classes, options);
  else
    tasks.classes.resize(static_cast<size_t>(options.tasks * options.ways));
  tasks.queries.resize(static_cast<size_t>(options.tasks * tasks.queries_per_task));
  num_threads = resolve_num_threads(num_threads);
  std::vector<TaskDrawer> drawers(static_cast<size_t>(num_threads), TaskDrawer(sources, members, options));
  for_each_task(
      options.tasks, num_threads,
      [&](int64_t task, int worker) {
        drawers[static_cast<size_t>(worker)].draw_task(task, tasks.classes.data() + task * options.ways,
                                                       tasks.supports.data() + task * options.ways * options.shots,
                                                       tasks.queries.data() + task * tasks.queries_per_task);
      },
      poll);
  return tasks;
}

Merge parse_merge(const std::string& name) {
  constexpr Choices<Merge, 4> kMerges{{{"mean", Merge::kMean},
                                       {"max", Merge::kMax},
                                       {"weighted", Merge::kWeighted},
                                       {"neighbours", Merge::kNeighbours}}};
  return parse_choice("merge", name, kMerges);
}

template <typename Value>
void score_tasks(const Tasks& tasks, std::span<const Value> similarity, int64_t first_row, int64_t num_clips,
                 const MergeOptions& options, std::span<double> shares, int num_threads, const Poll& poll) {
  if (options.merge == Merge::kNeighbours && (options.neighbours < 1 || options.neighbours > tasks.ways * tasks.shots))
    throw ParameterError("neighbours", std::to_string(options.neighbours),
                         "1 to " + std::to_string(tasks.ways * tasks.shots) + ", the supports of a task");
  if (options.merge == Merge::kWeighted && static_cast<int64_t>(options.weights.size()) != tasks.shots)
    throw ParameterError("weights", std::to_string(options.weights.size()),
                         std::to_string(tasks.shots) + ", one for each support of a class");
  const int64_t num_rows = static_cast<int64_t>(similarity.size()) / num_clips;
  num_threads = resolve_num_threads(num_threads);
  std::vector<Merger> mergers(static_cast<size_t>(num_threads), Merger(tasks, options));
  for_each_task(
      tasks.num_tasks, num_threads,
      [&](int64_t task, int worker) {
        Merger& merger = mergers[static_cast<size_t>(worker)];
        const int64_t* supports = tasks.supports.data() + task * tasks.ways * tasks.shots;
        for (int64_t i = task * tasks.queries_per_task; i < (task + 1) * tasks.queries_per_task; ++i) {
          const int64_t row = tasks.queries[static_cast<size_t>(i)] - first_row;
          if (row < 0 || row >= num_rows) continue;
          merger.merge(similarity.data() + row * num_clips, supports, shares.data() + i * tasks.ways);
          if (merger.has_nan())
            throw ParameterError("similarity", "NaN for clip " + std::to_string(tasks.queries[static_cast<size_t>(i)]),
                                 "numbers");
        }
      },
      poll);
}

template void score_tasks(const Tasks&, std::span<const float>, int64_t, int64_t, const MergeOptions&,
                          std::span<double>, int, const Poll&);
template void score_tasks(const Tasks&, std::span<const double>, int64_t, int64_t, const MergeOptions&,
                          std::span<double>, int, const Poll&);

void score_centroids(const Tasks& tasks, std::span<const float> embeddings, int64_t dim, std::span<double> shares,
                     int num_threads, const Poll& poll) {
  const auto width = static_cast<size_t>(dim);
  num_threads = resolve_num_threads(num_threads);
  struct Scratch {
    std::vector<double> centroids, scores;
  };
  std::vector<Scratch> scratch(static_cast<size_t>(num_threads));
  for_each_task(
      tasks.num_tasks, num_threads,
      [&](int64_t task, int worker) {
        auto& [centroids, scores] = scratch[static_cast<size_t>(worker)];
        centroids.assign(static_cast<size_t>(tasks.ways) * width, 0);
        scores.resize(static_cast<size_t>(tasks.ways));
        const int64_t* support = tasks.supports.data() + task * tasks.ways * tasks.shots;
        for (size_t way = 0; way < scores.size(); ++way) {
          double* centroid = centroids.data() + way * width;
          for (int64_t shot = 0; shot < tasks.shots; ++shot) {
            const float* embedding = embeddings.data() + *support++ * dim;
            for (size_t i = 0; i < width; ++i) centroid[i] += static_cast<double>(embedding[i]);
          }
          for (size_t i = 0; i < width; ++i) centroid[i] /= static_cast<double>(tasks.shots);
        }
        for (int64_t i = task * tasks.queries_per_task; i < (task + 1) * tasks.queries_per_task; ++i) {
          const float* query = embeddings.data() + tasks.queries[static_cast<size_t>(i)] * dim;
          for (size_t way = 0; way < scores.size(); ++way) {
            const double* centroid = centroids.data() + way * width;
            double parts[4] = {};  // side by side, as the processor adds
            size_t k = 0;
            for (; k + 4 <= width; k += 4)
              for (size_t part = 0; part < 4; ++part) {
                const double difference = static_cast<double>(query[k + part]) - centroid[k + part];
                parts[part] += difference * difference;
              }
            for (; k < width; ++k) {
              const double difference = static_cast<double>(query[k]) - centroid[k];
              parts[0] += difference * difference;
            }
            scores[way] = -((parts[0] + parts[1]) + (parts[2] + parts[3]));
          }
          share_among_winners(scores, shares.data() + i * tasks.ways);
        }
      },
      poll);
}

}  // namespace siamaudio

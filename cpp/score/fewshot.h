// Sampled tasks of C classes and k supports a class, and who wins them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/poll.h"

namespace siamaudio {

struct TaskOptions {
  int64_t ways = 5;           ///< classes a task
  int64_t shots = 1;          ///< supports a class
  int64_t queries = 1;        ///< queries a class
  int64_t tasks = 1000;       ///< how many
  bool is_stratified = true;  ///< every class in as many tasks as the others, or one more; where one is asked for, that
  bool has_one_query = false;  ///< queries of the first class of a task alone
  uint64_t seed = 0;           ///< of all that is drawn
};

/// Clips are numbered as they were given, classes by their place in the task.
struct Tasks {
  int64_t num_tasks = 0;
  int64_t ways = 0;
  int64_t shots = 0;
  int64_t queries_per_task = 0;
  std::vector<int64_t> classes;   ///< (tasks, ways)
  std::vector<int64_t> supports;  ///< (tasks, ways, shots)
  std::vector<int64_t> queries;   ///< (tasks, queries_per_task), class by class
};

/// labels: (clips,) in [0, num_classes). sources: (clips,), no query of a task has the source of a support of it;
/// empty: any two clips may meet. Queries are drawn first, uniformly from their class, then supports from what is left.
/// Each task has random numbers of its own: the first of many tasks are those of fewer (not where classes are
/// stratified by another number of ways), and threads change nothing. Throws ParameterError: too few classes, clips, or
/// sources.
Tasks draw_tasks(std::span<const int64_t> labels, std::span<const int64_t> sources, int64_t num_classes,
                 const TaskOptions& options, int num_threads, const Poll& poll);

/// What the k similarities of a query to the supports of a class come to.
enum class Merge {
  kMean,
  kMax,
  kWeighted,   ///< a weighted sum, from the largest similarity to the smallest
  kNeighbours  ///< how many of the task's most similar supports are of the class; where the last of them are tied,
               ///< the share expected of a random choice
};

/// "mean", "max", "weighted" or "neighbours". Throws ParameterError.
Merge parse_merge(const std::string& name);

struct MergeOptions {
  Merge merge = Merge::kMean;
  std::vector<double> weights;  ///< (shots,) for kWeighted
  int64_t neighbours = 1;       ///< for kNeighbours
};

/// similarity: (rows, num_clips), of the clips first_row, first_row + 1, … to all. shares: (tasks, queries_per_task,
/// ways), whose rows are set of those queries that are among these clips: 1 for the class with the largest score, or as
/// much of it for each as there are tied ones. Throws ParameterError for NaN.
template <typename Value>
void score_tasks(const Tasks& tasks, std::span<const Value> similarity, int64_t first_row, int64_t num_clips,
                 const MergeOptions& options, std::span<double> shares, int num_threads, const Poll& poll);

/// embeddings: (clips, dim). The nearest mean of a class's supports wins, by Euclidean distance; shares as above.
void score_centroids(const Tasks& tasks, std::span<const float> embeddings, int64_t dim, std::span<double> shares,
                     int num_threads, const Poll& poll);

}  // namespace siamaudio

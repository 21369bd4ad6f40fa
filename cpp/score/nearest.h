// The most similar of many vectors, exactly: what brute force in double would find, faster.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "base/poll.h"

namespace siamaudio {

/// Higher is more similar.
enum class SearchMetric {
  kInnerProduct,
  kCosine,     ///< of the angle; 0 for a zero vector
  kEuclidean,  ///< minus the distance
};

/// "inner_product", "cosine" or "euclidean". Throws ParameterError.
SearchMetric parse_search_metric(const std::string& name);

/// How the vectors are kept. What is compared is always the vector that was kept, so that rounding at `add` is the only
/// loss: of each number by 2^-11 of it (float16), or by 1/254 of the vector's largest (int8).
enum class Storage {
  kFloat32,
  kFloat16,  ///< of magnitudes up to 65504
  kInt8,     ///< with one scale a vector
};

/// "float32", "float16" or "int8". Throws ParameterError.
Storage parse_storage(const std::string& name);

/// Which of the kept vectors a search may find; empty spans: all.
struct SearchLimits {
  std::span<const uint8_t> allowed;       ///< (size,), 0: never found
  std::span<const int64_t> query_groups;  ///< (queries,), a query finds nothing of its own group
  std::span<const int64_t> item_groups;   ///< (size,)
};

/// (queries, k) row by row: the most similar first, of equally similar ones the one that was added first. Where fewer
/// than k may be found, position -1 and similarity -Inf follow.
struct Neighbours {
  std::vector<int64_t> positions;
  std::vector<float> similarities;
};

/// Vectors that are searched one against all.
///
/// A similarity is computed in double, its terms added in one fixed order, and rounded to float once; so it is the same
/// number whichever thread computes it and with whichever instruction set, and so are ties. Several threads may search
/// at once; adding waits for them.
class NearestIndex {
 public:
  /// Throws ParameterError: dim not in [1, 131072].
  NearestIndex(int64_t dim, SearchMetric metric, Storage storage);
  ~NearestIndex();

  /// Appends vectors, (n, dim) row by row, at the positions that follow. All of them or, where it throws, none. Throws
  /// ParameterError for numbers that are not finite or too large for the storage.
  void add(std::span<const float> vectors, int num_threads, const Poll& poll);

  /// queries: (n, dim). Throws ParameterError: k < 1, numbers that are not finite, limits of wrong lengths.
  Neighbours search(std::span<const float> queries, int64_t k, const SearchLimits& limits, int num_threads,
                    const Poll& poll) const;

  /// The vectors as they are kept, (end - begin, dim). Throws ParameterError unless 0 <= begin <= end <= size.
  std::vector<float> vectors(int64_t begin, int64_t end) const;

  int64_t size() const;
  int64_t dim() const { return dim_; }
  SearchMetric metric() const { return metric_; }
  Storage storage() const { return storage_; }

  /// Bytes that the vectors and what is kept beside them take.
  int64_t num_bytes() const;

 private:
  struct Block;
  class Searcher;

  int64_t dim_;
  int64_t padded_dim_;  // rows are filled up with zeros, which change no sum
  int64_t block_size_;  // vectors a block
  SearchMetric metric_;
  Storage storage_;
  int64_t size_ = 0;
  std::vector<std::unique_ptr<Block>> blocks_;  // all full but the last
  mutable std::shared_mutex mutex_;
};

}  // namespace siamaudio

#include "score/nearest.h"

#include <c10/util/Half.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <utility>

#include "base/choices.h"
#include "base/errors.h"
#include "base/parallel.h"
#include "score/nearest_kernel.h"

namespace siamaudio {
namespace {

constexpr int64_t kMostDim = 131072;  // up to which sums of products of bytes fit 32 bits
constexpr float kMostHalf = 65504;
constexpr float kNever = -std::numeric_limits<float>::infinity();

struct Found {
  float similarity;
  int64_t position;
};

/// The order of the answers.
bool comes_first(const Found& a, const Found& b) {
  return a.similarity > b.similarity || (a.similarity == b.similarity && a.position < b.position);
}

/// The first k of all that are offered, whatever their order.
class Best {
 public:
  explicit Best(int64_t k) : k_(static_cast<size_t>(k)) {}

  void offer(const Found& found) {
    if (heap_.size() == k_) {
      if (!comes_first(found, heap_.front())) return;
      std::ranges::pop_heap(heap_, comes_first);
      heap_.back() = found;
    } else {
      heap_.push_back(found);
    }
    std::ranges::push_heap(heap_, comes_first);
  }

  /// Whatever is less similar is not among the first k.
  float threshold() const { return heap_.size() < k_ ? kNever : heap_.front().similarity; }

  const std::vector<Found>& found() const { return heap_; }

 private:
  size_t k_;
  std::vector<Found> heap_;  // the last of them in front
};

void check_finite(const char* name, std::span<const float> vectors, int64_t dim, Storage storage) {
  const float most = storage == Storage::kFloat16 ? kMostHalf : std::numeric_limits<float>::max();
  const auto is_good = [most](float x) { return std::abs(x) <= most; };
  const int64_t num_rows = static_cast<int64_t>(vectors.size()) / dim;
  for (int64_t row = 0; row < num_rows; ++row) {
    const auto numbers = vectors.subspan(static_cast<size_t>(row * dim), static_cast<size_t>(dim));
    bool is_row_good = true;
    for (const float x : numbers) is_row_good &= is_good(x);
    if (is_row_good) continue;
    const float wrong = *std::ranges::find_if_not(numbers, is_good);
    const std::string what = std::isnan(wrong) ? "NaN" : std::isinf(wrong) ? "infinity" : std::to_string(wrong);
    throw ParameterError(name, what + " in row " + std::to_string(row),
                         std::isfinite(wrong) ? "numbers of magnitudes up to 65504, for float16" : "finite numbers");
  }
}

}  // namespace

SearchMetric parse_search_metric(const std::string& name) {
  constexpr Choices<SearchMetric, 3> kMetrics{{{"inner_product", SearchMetric::kInnerProduct},
                                               {"cosine", SearchMetric::kCosine},
                                               {"euclidean", SearchMetric::kEuclidean}}};
  return parse_choice("metric", name, kMetrics);
}

Storage parse_storage(const std::string& name) {
  constexpr Choices<Storage, 3> kStorages{
      {{"float32", Storage::kFloat32}, {"float16", Storage::kFloat16}, {"int8", Storage::kInt8}}};
  return parse_choice("storage", name, kStorages);
}

/// Vectors that lie one behind the other.
struct NearestIndex::Block {
  int64_t size = 0;
  std::unique_ptr<float[]> floats;  // (block size, padded dim), of the index's storage alone
  std::unique_ptr<c10::Half[]> halves;
  std::unique_ptr<int8_t[]> bytes;
  std::vector<float> scales;  // (size,), of bytes
  std::vector<double> norms;  // (size,), for cosines

  Block(int64_t capacity, Storage storage) {
    const auto count = static_cast<size_t>(capacity);
    // Left as it comes: of what is not written yet the system keeps no memory.
    if (storage == Storage::kFloat32) floats = std::make_unique_for_overwrite<float[]>(count);
    if (storage == Storage::kFloat16) halves = std::make_unique_for_overwrite<c10::Half[]>(count);
    if (storage == Storage::kInt8) bytes = std::make_unique_for_overwrite<int8_t[]>(count);
  }

  void store(const float* vector, int64_t dim, int64_t padded_dim, int64_t row) {
    const auto fill = [&](auto* target, const auto& rounded) {
      target += row * padded_dim;
      for (int64_t i = 0; i < dim; ++i) target[i] = rounded(vector[i]);
      std::fill(target + dim, target + padded_dim, 0);
    };
    if (floats) fill(floats.get(), [](float x) { return x; });
    if (halves) fill(halves.get(), [](float x) { return c10::Half(x); });
    if (bytes) {
      float largest = 0;
      for (int64_t i = 0; i < dim; ++i) largest = std::max(largest, std::abs(vector[i]));
      const float scale = largest / 127;
      scales.push_back(scale);
      fill(bytes.get(), [&](float x) {
        return static_cast<int8_t>(scale > 0 ? std::lround(std::clamp(x / scale, -127.0F, 127.0F)) : 0);
      });
    }
  }

  /// The kept vector, in the buffer if it has to be computed; (padded_dim,).
  const float* row(int64_t row, int64_t padded_dim, float* buffer) const {
    if (floats) return floats.get() + row * padded_dim;
    for (int64_t i = 0; i < padded_dim; ++i)
      buffer[i] = halves ? static_cast<float>(halves[static_cast<size_t>(row * padded_dim + i)])
                         : scales[static_cast<size_t>(row)] *
                               static_cast<float>(bytes[static_cast<size_t>(row * padded_dim + i)]);
    return buffer;
  }
};

/// One search for some of the queries, by several threads.
class NearestIndex::Searcher {
 public:
  Searcher(const NearestIndex& index, std::span<const float> queries, int64_t first_query, int64_t k,
           const SearchLimits& limits, int num_threads)
      : index_(index),
        kernel_(nearest_kernel(chosen_isa())),
        limits_(limits),
        first_query_(first_query),
        num_queries_(static_cast<int64_t>(queries.size()) / index.dim_),
        k_(k),
        queries_(static_cast<size_t>(num_queries_ * index.padded_dim_)),
        norms_(static_cast<size_t>(num_queries_)) {
    for (int64_t q = 0; q < num_queries_; ++q) {
      double* row = queries_.data() + q * index.padded_dim_;
      std::copy_n(queries.data() + q * index.dim_, index.dim_, row);
      double sum = 0;
      for (int64_t i = 0; i < index.dim_; ++i) sum += row[i] * row[i];
      norms_[static_cast<size_t>(q)] = std::sqrt(sum);
    }
    workers_.resize(static_cast<size_t>(num_threads));
    for (Worker& worker : workers_) {
      worker.best.assign(static_cast<size_t>(num_queries_), Best(k));
      worker.row.resize(static_cast<size_t>(index.padded_dim_));
    }
  }

  void search(int64_t block_number, int worker_number) {
    Worker& worker = workers_[static_cast<size_t>(worker_number)];
    const Block& block = *index_.blocks_[static_cast<size_t>(block_number)];
    const int64_t begin = block_number * index_.block_size_;
    for (int64_t item = 0; item < block.size; ++item) {
      const float* row = block.row(item, index_.padded_dim_, worker.row.data());
      for (int64_t q = 0; q < num_queries_; ++q)
        if (may_find(q, begin + item))
          worker.best[static_cast<size_t>(q)].offer({similarity(q, row, block, item), begin + item});
    }
  }

  /// positions, similarities: (queries, k)
  void write(int64_t* positions, float* similarities) const {
    std::vector<Found> all;
    for (int64_t q = 0; q < num_queries_; ++q) {
      all.clear();
      for (const Worker& worker : workers_) {
        const auto& found = worker.best[static_cast<size_t>(q)].found();
        all.insert(all.end(), found.begin(), found.end());
      }
      std::ranges::sort(all, comes_first);
      for (int64_t i = 0; i < k_; ++i, ++positions, ++similarities) {
        const bool is_there = i < static_cast<int64_t>(all.size());
        *positions = is_there ? all[static_cast<size_t>(i)].position : -1;
        *similarities = is_there ? all[static_cast<size_t>(i)].similarity : kNever;
      }
    }
  }

 private:
  struct Worker {
    std::vector<Best> best;
    std::vector<float> row;
  };

  bool may_find(int64_t query, int64_t position) const {
    const auto item = static_cast<size_t>(position);
    if (!limits_.allowed.empty() && limits_.allowed[item] == 0) return false;
    return limits_.item_groups.empty() ||
           limits_.item_groups[item] != limits_.query_groups[static_cast<size_t>(first_query_ + query)];
  }

  float similarity(int64_t query, const float* row, const Block& block, int64_t item) const {
    const double* numbers = queries_.data() + query * index_.padded_dim_;
    if (index_.metric_ == SearchMetric::kEuclidean)
      return static_cast<float>(-std::sqrt(kernel_.squared_distance(numbers, row, index_.padded_dim_)));
    const double product = kernel_.dot(numbers, row, index_.padded_dim_);
    if (index_.metric_ == SearchMetric::kInnerProduct) return static_cast<float>(product);
    const double norms = norms_[static_cast<size_t>(query)] * block.norms[static_cast<size_t>(item)];
    return norms > 0 ? static_cast<float>(product / norms) : 0.0F;
  }

  const NearestIndex& index_;
  const NearestKernel& kernel_;
  const SearchLimits& limits_;
  int64_t first_query_;
  int64_t num_queries_;
  int64_t k_;
  std::vector<double> queries_;  // (queries, padded dim)
  std::vector<double> norms_;
  std::vector<Worker> workers_;
};

NearestIndex::NearestIndex(int64_t dim, SearchMetric metric, Storage storage)
    : dim_(dim),
      padded_dim_((dim + kRowMultiple - 1) / kRowMultiple * kRowMultiple),
      block_size_(1024),
      metric_(metric),
      storage_(storage) {
  if (dim < 1 || dim > kMostDim) throw ParameterError("dim", std::to_string(dim), "1 to " + std::to_string(kMostDim));
  constexpr int64_t kBlockNumbers = 512 * 1024;
  block_size_ = std::clamp<int64_t>(kBlockNumbers / padded_dim_ / 64 * 64, 64, 1024);
}

NearestIndex::~NearestIndex() = default;

int64_t NearestIndex::size() const {
  const std::shared_lock lock(mutex_);
  return size_;
}

void NearestIndex::add(std::span<const float> vectors, int num_threads, const Poll& poll) {
  check_finite("vectors", vectors, dim_, storage_);
  const std::unique_lock lock(mutex_);
  const int64_t old_size = size_;
  const int64_t new_size = old_size + static_cast<int64_t>(vectors.size()) / dim_;
  const int64_t first_block = old_size / block_size_;
  const int64_t num_blocks = (new_size + block_size_ - 1) / block_size_;
  const auto cut = [&](int64_t size) {
    blocks_.resize(static_cast<size_t>((size + block_size_ - 1) / block_size_));
    if (size % block_size_ != 0) {
      Block& last = *blocks_.back();
      last.size = size % block_size_;
      last.scales.resize(std::min(last.scales.size(), static_cast<size_t>(last.size)));
      last.norms.resize(std::min(last.norms.size(), static_cast<size_t>(last.size)));
    }
  };
  try {
    while (static_cast<int64_t>(blocks_.size()) < num_blocks)
      blocks_.push_back(std::make_unique<Block>(block_size_ * padded_dim_, storage_));
    parallel_for(
        num_blocks - first_block, num_threads,
        [&](int64_t i, int) {
          Block& block = *blocks_[static_cast<size_t>(first_block + i)];
          const int64_t begin = (first_block + i) * block_size_;
          std::vector<float> buffer(static_cast<size_t>(padded_dim_));
          while (block.size < block_size_ && begin + block.size < new_size) {
            block.store(vectors.data() + (begin + block.size - old_size) * dim_, dim_, padded_dim_, block.size);
            if (metric_ == SearchMetric::kCosine) {
              const float* row = block.row(block.size, padded_dim_, buffer.data());
              double sum = 0;
              for (int64_t d = 0; d < dim_; ++d) sum += static_cast<double>(row[d]) * row[d];
              block.norms.push_back(std::sqrt(sum));
            }
            ++block.size;
          }
        },
        poll);
  } catch (...) {
    cut(old_size);
    throw;
  }
  size_ = new_size;
}

Neighbours NearestIndex::search(std::span<const float> queries, int64_t k, const SearchLimits& limits, int num_threads,
                                const Poll& poll) const {
  const int64_t num_queries = static_cast<int64_t>(queries.size()) / dim_;
  constexpr int64_t kMostAnswers = int64_t{1} << 40;
  if (k < 1 || k > kMostAnswers / std::max<int64_t>(1, num_queries))
    throw ParameterError("k", std::to_string(k), "1 or more, as far as memory goes");
  check_finite("queries", queries, dim_, Storage::kFloat32);
  const std::shared_lock lock(mutex_);
  const auto check_length = [](const char* name, size_t length, int64_t wanted) {
    if (length != 0 && static_cast<int64_t>(length) != wanted)
      throw ParameterError(name, std::to_string(length) + " values", std::to_string(wanted) + " values");
  };
  check_length("allowed", limits.allowed.size(), size_);
  check_length("query_groups", limits.query_groups.size(), num_queries);
  check_length("item_groups", limits.item_groups.size(), size_);

  Neighbours found;
  found.positions.resize(static_cast<size_t>(num_queries * k));
  found.similarities.resize(static_cast<size_t>(num_queries * k));
  constexpr int64_t kMostQueries = 256;
  constexpr int64_t kMostHeld = 1 << 22;
  const auto num_blocks = static_cast<int64_t>(blocks_.size());
  num_threads = static_cast<int>(std::clamp<int64_t>(num_blocks, 1, resolve_num_threads(num_threads)));
  const int64_t held = std::min(k, std::max<int64_t>(1, size_));
  const int64_t tile = std::clamp<int64_t>(kMostHeld / num_threads / held, 1, kMostQueries);
  for (int64_t first = 0; first < num_queries; first += tile) {
    const int64_t count = std::min(tile, num_queries - first);
    Searcher searcher(*this, queries.subspan(static_cast<size_t>(first * dim_), static_cast<size_t>(count * dim_)),
                      first, k, limits, num_threads);
    parallel_for(num_blocks, num_threads, [&](int64_t block, int worker) { searcher.search(block, worker); }, poll);
    searcher.write(found.positions.data() + first * k, found.similarities.data() + first * k);
  }
  return found;
}

std::vector<float> NearestIndex::vectors(int64_t begin, int64_t end) const {
  const std::shared_lock lock(mutex_);
  if (begin < 0 || end < begin || end > size_)
    throw ParameterError("begin, end", std::to_string(begin) + ", " + std::to_string(end),
                         "0 <= begin <= end <= " + std::to_string(size_));
  std::vector<float> values(static_cast<size_t>((end - begin) * dim_));
  std::vector<float> buffer(static_cast<size_t>(padded_dim_));
  for (int64_t i = begin; i < end; ++i) {
    const float* row = blocks_[static_cast<size_t>(i / block_size_)]->row(i % block_size_, padded_dim_, buffer.data());
    std::copy_n(row, dim_, values.data() + (i - begin) * dim_);
  }
  return values;
}

int64_t NearestIndex::num_bytes() const {
  const std::shared_lock lock(mutex_);
  const int64_t width = storage_ == Storage::kFloat32 ? 4 : storage_ == Storage::kFloat16 ? 2 : 1;
  return size_ * padded_dim_ * width;
}

}  // namespace siamaudio

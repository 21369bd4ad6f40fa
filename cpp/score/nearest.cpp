#include "score/nearest.h"

#include <c10/util/Half.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <utility>

#include "base/choices.h"
#include "base/errors.h"
#include "base/parallel.h"
#include "score/nearest_kernel.h"
#include "score/sketch.h"

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

// Below so many products of two numbers a thread is not worth its start, nor asking whether to stop.
constexpr double kProductsPerThread = 2e7;
constexpr double kNumbersPerProduct = 50;  // preparing a number takes about as long as so many products

int useful_threads(int64_t count, double products, int num_threads) {
  const double most = std::min({static_cast<double>(resolve_num_threads(num_threads)), static_cast<double>(count),
                                products / kProductsPerThread});
  return std::max(1, static_cast<int>(most));
}

template <typename Body>
void run(int64_t count, double products, int num_threads, const Body& body, const Poll& poll) {
  const bool is_short = products < kProductsPerThread;
  parallel_for(count, useful_threads(count, products, num_threads), body, is_short ? Poll{} : poll);
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

/// What one thread needs to prepare vectors.
struct NearestIndex::Scratch {
  explicit Scratch(int64_t size) : row(size), scaled(size), stored_codes(size), query(size) {}
  AlignedArray<float> row;
  AlignedArray<float> scaled;
  AlignedArray<int8_t> stored_codes;
  QueryScratch query;
};

/// Vectors that lie one behind the other, and their sketch. Of bytes the sketch is all there is.
struct NearestIndex::Block {
  int64_t size = 0;
  AlignedArray<float> floats;     // (block size, padded dim), where the index stores those
  AlignedArray<uint16_t> halves;  // likewise
  std::vector<float> scales;      // (size,), of bytes
  std::vector<double> norms;      // (size,)
  Sketch sketch;                  // of the first vectors

  Block(int64_t capacity, int64_t padded_dim, SearchMetric metric, Storage storage)
      : sketch(capacity, padded_dim, metric == SearchMetric::kEuclidean) {
    if (storage == Storage::kFloat32) floats = AlignedArray<float>(capacity * padded_dim);
    if (storage == Storage::kFloat16) halves = AlignedArray<uint16_t>(capacity * padded_dim);
  }

  /// The kept vector, in the scratch memory if it has to be computed; (padded_dim,).
  const float* row(const NearestKernel& kernel, int64_t item, int64_t padded_dim, Scratch& scratch) const {
    if (floats) return floats.get() + item * padded_dim;
    float* row = scratch.row.get();
    if (halves) {
      kernel.widen(halves.get() + item * padded_dim, padded_dim, row);
    } else {
      sketch.read_codes(item, scratch.stored_codes.get());
      const float scale = scales[static_cast<size_t>(item)];
      for (int64_t i = 0; i < padded_dim; ++i) row[i] = scale * static_cast<float>(scratch.stored_codes.get()[i]);
    }
    return row;
  }

  /// vector: (dim,)
  void add(const NearestKernel& kernel, const float* vector, int64_t dim, int64_t padded_dim, SearchMetric metric,
           Scratch& scratch) {
    const auto fill = [&](auto* target) {
      std::copy_n(vector, dim, target);
      std::fill(target + dim, target + padded_dim, 0);
    };
    if (floats) fill(floats.get() + size * padded_dim);
    if (halves) {
      uint16_t* target = halves.get() + size * padded_dim;
      std::transform(vector, vector + dim, target, [](float x) { return c10::Half(x).x; });
      std::fill(target + dim, target + padded_dim, 0);
    }
    if (floats || halves) {
      norms.push_back(norm_of(row(kernel, size, padded_dim, scratch), padded_dim));
    } else {
      // The codes are needed for the norm, and both for the sketch.
      fill(scratch.scaled.get());
      int8_t* codes = scratch.stored_codes.get();
      const float scale =
          kernel.quantise(scratch.scaled.get(), sketch.centre(), padded_dim, scratch.row.get(), codes).scale;
      for (int64_t i = 0; i < padded_dim; ++i) scratch.row.get()[i] = scale * static_cast<float>(codes[i]);
      const double norm = norm_of(scratch.row.get(), padded_dim);
      const double factor = factor_for(metric, norm);
      scales.push_back(scale);
      norms.push_back(norm);
      sketch.add_bytes(codes, scale, factor, factor * norm);
    }
    ++size;
  }

  /// Sketches all vectors anew, around their mean.
  void draw(const NearestKernel& kernel, int64_t padded_dim, SearchMetric metric, Scratch& scratch) {
    std::vector<double> mean(static_cast<size_t>(padded_dim));
    for (int64_t item = 0; item < size; ++item) {
      const float* values = row(kernel, item, padded_dim, scratch);
      const double weight = factor_for(metric, norms[static_cast<size_t>(item)]) / static_cast<double>(size);
      for (int64_t i = 0; i < padded_dim; ++i) mean[static_cast<size_t>(i)] += weight * static_cast<double>(values[i]);
    }
    sketch.start(mean);
    for (int64_t item = 0; item < size; ++item) {
      const float* values = row(kernel, item, padded_dim, scratch);
      const double norm = norms[static_cast<size_t>(item)];
      const double factor = factor_for(metric, norm);
      if (metric == SearchMetric::kCosine) {
        const auto rounded = static_cast<float>(factor);
        for (int64_t i = 0; i < padded_dim; ++i) scratch.scaled.get()[i] = rounded * values[i];
        values = scratch.scaled.get();
      }
      sketch.add(kernel, values, factor * norm, scratch.query);
    }
  }

  void cut(int64_t num_items) {
    size = num_items;
    scales.resize(std::min(scales.size(), static_cast<size_t>(num_items)));
    norms.resize(std::min(norms.size(), static_cast<size_t>(num_items)));
    sketch.cut(num_items);
  }

  static double norm_of(const float* values, int64_t size) {
    double sum = 0;
    for (int64_t i = 0; i < size; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    return std::sqrt(sum);
  }

  /// What vectors are multiplied by before they are sketched: a cosine is the inner product of unit vectors.
  static double factor_for(SearchMetric metric, double norm) {
    if (metric != SearchMetric::kCosine) return 1;
    return norm > 0 ? 1 / norm : 0;
  }
};

/// One search for some of the queries, by several threads.
class NearestIndex::Searcher {
 public:
  Searcher(const NearestIndex& index, std::span<const float> queries, int64_t first_query, int64_t k,
           const SearchLimits& limits, std::span<const int64_t> num_allowed, int num_threads)
      : index_(index),
        size_(index.padded_dim_),
        kernel_(nearest_kernel(chosen_isa())),
        limits_(limits),
        num_allowed_(num_allowed),
        first_query_(first_query),
        num_queries_(static_cast<int64_t>(queries.size()) / index.dim_),
        k_(k),
        exact_(static_cast<size_t>(num_queries_ * size_)),
        scaled_(num_queries_ * size_),
        norms_(static_cast<size_t>(num_queries_)),
        reached_(static_cast<size_t>(num_queries_)) {
    for (int64_t q = 0; q < num_queries_; ++q) {
      double* row = exact_.data() + q * size_;
      std::copy_n(queries.data() + q * index.dim_, index.dim_, row);
      double sum = 0;
      for (int64_t i = 0; i < size_; ++i) sum += row[i] * row[i];
      norms_[static_cast<size_t>(q)] = std::sqrt(sum);
      const double factor = Block::factor_for(index.metric_, norms_[static_cast<size_t>(q)]);
      for (int64_t i = 0; i < size_; ++i) scaled_.get()[q * size_ + i] = static_cast<float>(factor * row[i]);
      reached_[static_cast<size_t>(q)] = kNever;
    }
    for (int worker = 0; worker < num_threads; ++worker) workers_.emplace_back(*this);
  }

  /// Offers all of a block to all queries.
  void search(int64_t block_number, int worker_number) {
    Worker& worker = workers_[static_cast<size_t>(worker_number)];
    const Block& block = *index_.blocks_[static_cast<size_t>(block_number)];
    const int64_t begin = block_number * index_.block_size_;
    int64_t num_bounded = block.sketch.num_items();
    if (!num_allowed_.empty()) {
      constexpr int64_t kRare = 8;  // an exact similarity takes about as long as so many bounds
      const int64_t allowed = num_allowed_[static_cast<size_t>(block_number)];
      if (allowed == 0) return;
      if (allowed * kRare < block.size) num_bounded = 0;
    }
    if (num_bounded > 0) {
      find_candidates(block, worker);
      for (int64_t q = 0; q < num_queries_; ++q) weigh_candidates(q, block, begin, worker);
    }
    // What has no bound: the last few items, and all for queries of extreme norms.
    bool are_all_bounded = true;
    for (int64_t q = 0; q < num_queries_; ++q) are_all_bounded &= block.sketch.is_usable(scaled_norm(q));
    for (int64_t item = are_all_bounded ? num_bounded : 0; item < block.size; ++item) {
      const float* row = nullptr;
      for (int64_t q = 0; q < num_queries_; ++q) {
        if (item < num_bounded && block.sketch.is_usable(scaled_norm(q))) continue;
        if (!may_find(q, begin + item)) continue;
        if (row == nullptr) row = block.row(kernel_, item, size_, worker.scratch);
        worker.best[static_cast<size_t>(q)].offer({similarity(q, row, block, item), begin + item});
      }
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
  /// What one thread has found, and its memory for one block after the other.
  struct Worker {
    explicit Worker(const Searcher& searcher)
        : best(static_cast<size_t>(searcher.num_queries_), Best(searcher.k_)),
          scratch(searcher.size_),
          queries(static_cast<size_t>(searcher.num_queries_)),
          bases(static_cast<size_t>(searcher.num_queries_)),
          words(searcher.num_queries_ * searcher.size_ / 4 * searcher.kernel_.words_per_query),
          candidates(searcher.num_queries_ * searcher.index_.block_size_),
          num_candidates(static_cast<size_t>(searcher.num_queries_)) {}

    std::vector<Best> best;
    Scratch scratch;
    std::vector<SketchQuery> queries;
    std::vector<double> bases;            // see Sketch::query
    AlignedArray<int32_t> words;          // the queries' bytes, packed
    AlignedArray<Candidate> candidates;   // (queries, block size)
    std::vector<int32_t> num_candidates;  // of each query
  };

  double scaled_norm(int64_t query) const {
    const double norm = norms_[static_cast<size_t>(query)];
    return norm * Block::factor_for(index_.metric_, norm);
  }

  bool may_find(int64_t query, int64_t position) const {
    const auto item = static_cast<size_t>(position);
    if (!limits_.allowed.empty() && limits_.allowed[item] == 0) return false;
    return limits_.item_groups.empty() ||
           limits_.item_groups[item] != limits_.query_groups[static_cast<size_t>(first_query_ + query)];
  }

  float similarity(int64_t query, const float* row, const Block& block, int64_t item) const {
    const double* numbers = exact_.data() + query * size_;
    if (index_.metric_ == SearchMetric::kEuclidean)
      return static_cast<float>(-std::sqrt(kernel_.squared_distance(numbers, row, size_)));
    const double product = kernel_.dot(numbers, row, size_);
    if (index_.metric_ == SearchMetric::kInnerProduct) return static_cast<float>(product);
    const double norms = norms_[static_cast<size_t>(query)] * block.norms[static_cast<size_t>(item)];
    return norms > 0 ? static_cast<float>(product / norms) : 0.0F;
  }

  /// What a similarity must reach to be among the first k: as far as this thread knows, or another.
  float threshold(int64_t query, const Worker& worker) const {
    return std::max(worker.best[static_cast<size_t>(query)].threshold(),
                    reached_[static_cast<size_t>(query)].load(std::memory_order_relaxed));
  }

  void find_candidates(const Block& block, Worker& worker) const {
    const Sketch& sketch = block.sketch;
    const int64_t group = kernel_.queries_per_group;
    for (int64_t q = 0; q < num_queries_; ++q) {
      const float* scaled = scaled_.get() + q * size_;
      QueryScratch& scratch = worker.scratch.query;
      const Quantised found =
          kernel_.quantise(scaled, sketch.centre(), size_, scratch.difference.get(), scratch.codes.get());
      const int64_t first = q / group * group;
      kernel_.pack(scratch.codes.get(), size_, q - first, std::min(group, num_queries_ - first),
                   worker.words.get() + first * size_ / 4 * kernel_.words_per_query);
      const double* exact = exact_.data() + q * size_;
      double& base = worker.bases[static_cast<size_t>(q)];
      base = index_.metric_ == SearchMetric::kEuclidean
                 ? kernel_.squared_distance(exact, sketch.centre(), size_)
                 : kernel_.dot(exact, sketch.centre(), size_) *
                       Block::factor_for(index_.metric_, norms_[static_cast<size_t>(q)]);
      worker.queries[static_cast<size_t>(q)] = sketch.query(found, scaled_norm(q), base, threshold(q, worker));
      if (!sketch.is_usable(scaled_norm(q)))  // all of them are computed exactly
        worker.queries[static_cast<size_t>(q)].threshold = std::numeric_limits<float>::infinity();
    }
    std::ranges::fill(worker.num_candidates, 0);
    const int64_t num_items = (sketch.num_items() + kItemMultiple - 1) / kItemMultiple * kItemMultiple;
    kernel_.find(sketch.items(), num_items, size_, worker.queries.data(), num_queries_, worker.words.get(),
                 worker.candidates.get(), index_.block_size_, worker.num_candidates.data());
  }

  /// Computes the similarities of the candidates that may still be among the first k, the most promising first.
  void weigh_candidates(int64_t q, const Block& block, int64_t begin, Worker& worker) {
    Candidate* candidates = worker.candidates.get() + q * index_.block_size_;
    Candidate* end = std::remove_if(
        candidates, candidates + worker.num_candidates[static_cast<size_t>(q)], [&](const Candidate& candidate) {
          return candidate.item >= block.sketch.num_items() || !may_find(q, begin + candidate.item);
        });
    if (!block.sketch.is_usable(scaled_norm(q))) return;
    Best& best = worker.best[static_cast<size_t>(q)];
    const double norm = scaled_norm(q);
    const double base = worker.bases[static_cast<size_t>(q)];
    float reached = kNever;
    float least = kNever;
    const auto is_out = [&](const Candidate& candidate) { return candidate.bound < least; };
    const auto update = [&] {
      const float now = threshold(q, worker);
      if (now == reached) return;
      reached = now;
      least = block.sketch.bound_threshold(norm, base, now);
    };
    update();
    while (candidates < end) {
      const int64_t chunk = std::max<int64_t>(2 * k_, 32);
      Candidate* middle = end - candidates > chunk ? candidates + chunk : end;
      if (middle < end)
        std::nth_element(candidates, middle, end,
                         [](const Candidate& a, const Candidate& b) { return a.bound > b.bound; });
      for (; candidates < middle; ++candidates) {
        if (is_out(*candidates)) continue;
        const float* row = block.row(kernel_, candidates->item, size_, worker.scratch);
        best.offer({similarity(q, row, block, candidates->item), begin + candidates->item});
        update();
      }
      end = std::remove_if(candidates, end, is_out);
    }
    auto& shared = reached_[static_cast<size_t>(q)];
    for (float known = shared; known < reached && !shared.compare_exchange_weak(known, reached);) {
    }
  }

  const NearestIndex& index_;
  int64_t size_;
  const NearestKernel& kernel_;
  const SearchLimits& limits_;
  std::span<const int64_t> num_allowed_;  // of each block; empty: all
  int64_t first_query_;
  int64_t num_queries_;
  int64_t k_;
  std::vector<double> exact_;   // (queries, size)
  AlignedArray<float> scaled_;  // (queries, size), see Block::factor_for
  std::vector<double> norms_;
  std::vector<std::atomic<float>> reached_;  // by the k-th of any thread
  std::vector<Worker> workers_;
};

NearestIndex::NearestIndex(int64_t dim, SearchMetric metric, Storage storage)
    : dim_(dim),
      padded_dim_((dim + kRowMultiple - 1) / kRowMultiple * kRowMultiple),
      block_size_(kItemMultiple),
      metric_(metric),
      storage_(storage) {
  if (dim < 1 || dim > kMostDim) throw ParameterError("dim", std::to_string(dim), "1 to " + std::to_string(kMostDim));
  // As many as leave their bytes in the cache.
  constexpr int64_t kBlockBytes = 1 << 19;
  block_size_ = std::clamp<int64_t>(kBlockBytes / padded_dim_ / kItemMultiple * kItemMultiple, kItemMultiple, 1024);
}

NearestIndex::~NearestIndex() = default;

int64_t NearestIndex::size() const {
  const std::shared_lock lock(mutex_);
  return size_;
}

void NearestIndex::add(std::span<const float> vectors, int num_threads, const Poll& poll) {
  check_finite("vectors", vectors, dim_, storage_);
  const NearestKernel& kernel = nearest_kernel(chosen_isa());
  const std::unique_lock lock(mutex_);
  const int64_t old_size = size_;
  const int64_t new_size = old_size + static_cast<int64_t>(vectors.size()) / dim_;
  const int64_t first_block = old_size / block_size_;
  const int64_t num_blocks = (new_size + block_size_ - 1) / block_size_;
  try {
    while (static_cast<int64_t>(blocks_.size()) < num_blocks)
      blocks_.push_back(std::make_unique<Block>(block_size_, padded_dim_, metric_, storage_));
    const auto fill = [&](int64_t i, int) {
      Block& block = *blocks_[static_cast<size_t>(first_block + i)];
      const int64_t begin = (first_block + i) * block_size_;
      Scratch scratch(padded_dim_);
      while (block.size < block_size_ && begin + block.size < new_size)
        block.add(kernel, vectors.data() + (begin + block.size - old_size) * dim_, dim_, padded_dim_, metric_, scratch);
      // Vectors that come one by one are sketched at every doubling of their number, and when the block is full.
      const bool is_due = block.size == block_size_ || block.size >= 2 * block.sketch.num_items();
      if (storage_ != Storage::kInt8 && is_due && block.size > block.sketch.num_items())
        block.draw(kernel, padded_dim_, metric_, scratch);
    };
    const auto work = static_cast<double>(vectors.size());
    run(num_blocks - first_block, work * kNumbersPerProduct, num_threads, fill, poll);
  } catch (...) {
    blocks_.resize(static_cast<size_t>((old_size + block_size_ - 1) / block_size_));
    if (old_size % block_size_ != 0) blocks_.back()->cut(old_size % block_size_);
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

  const auto num_blocks = static_cast<int64_t>(blocks_.size());
  std::vector<int64_t> num_allowed;
  if (!limits.allowed.empty()) {
    num_allowed.resize(static_cast<size_t>(num_blocks));
    for (int64_t i = 0; i < size_; ++i)
      num_allowed[static_cast<size_t>(i / block_size_)] += limits.allowed[static_cast<size_t>(i)] != 0 ? 1 : 0;
  }
  Neighbours found;
  found.positions.resize(static_cast<size_t>(num_queries * k));
  found.similarities.resize(static_cast<size_t>(num_queries * k));
  // As many queries at once as leave their bytes and their answers in the cache.
  constexpr int64_t kMostQueries = 256;
  constexpr int64_t kMostBytes = 1 << 18;
  constexpr int64_t kMostHeld = 1 << 21;
  const int64_t tile = std::clamp<int64_t>(
      std::min(kMostBytes / padded_dim_, kMostHeld / std::min(k, std::max<int64_t>(1, size_))), 1, kMostQueries);
  for (int64_t first = 0; first < num_queries; first += tile) {
    if (first > 0 && poll) poll();  // each tile may be too short for its loop to ask
    const int64_t count = std::min(tile, num_queries - first);
    const double products = static_cast<double>(count) * static_cast<double>(size_ * padded_dim_);
    const int workers = useful_threads(num_blocks, products, num_threads);
    Searcher searcher(*this, queries.subspan(static_cast<size_t>(first * dim_), static_cast<size_t>(count * dim_)),
                      first, k, limits, num_allowed, workers);
    run(num_blocks, products, workers, [&](int64_t block, int worker) { searcher.search(block, worker); }, poll);
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
  const NearestKernel& kernel = nearest_kernel(chosen_isa());
  Scratch scratch(padded_dim_);
  for (int64_t i = begin; i < end; ++i) {
    const float* row =
        blocks_[static_cast<size_t>(i / block_size_)]->row(kernel, i % block_size_, padded_dim_, scratch);
    std::copy_n(row, dim_, values.data() + (i - begin) * dim_);
  }
  return values;
}

int64_t NearestIndex::num_bytes() const {
  const std::shared_lock lock(mutex_);
  const int64_t width = storage_ == Storage::kFloat32 ? 4 : storage_ == Storage::kFloat16 ? 2 : 0;
  int64_t bytes = size_ * (padded_dim_ * width + static_cast<int64_t>(sizeof(double)));
  for (const auto& block : blocks_) bytes += block->sketch.num_bytes();
  return bytes;
}

}  // namespace siamaudio

#include "score/nearest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "score/nearest_kernel.h"
#include "score/sketch.h"

namespace siamaudio {
namespace {

std::vector<float> normal(int64_t count, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = distribution(engine);
  return values;
}

/// Of all instruction sets that this processor runs, and of AVX-512 without the newer instructions too.
std::vector<const NearestKernel*> usable_kernels() {
  std::vector<const NearestKernel*> kernels;
  for (const Isa isa : usable_isas()) kernels.push_back(&nearest_kernel(isa));
#ifdef SIAMAUDIO_X86_KERNELS
  if (kernels.back() != &nearest_kernel_avx512() && std::ranges::count(usable_isas(), Isa::kAvx512) > 0)
    kernels.push_back(&nearest_kernel_avx512());
#endif
  return kernels;
}

TEST(NearestKernel, SumsHaveTheSameBits) {
  for (const int64_t size : {16, 48, 512}) {
    const std::vector<float> item = normal(size, 1);
    const std::vector<float> other = normal(size, 2);
    const std::vector<double> query(other.begin(), other.end());
    // As documented.
    double dots[16] = {};
    double squares[16] = {};
    for (size_t i = 0; i < item.size(); ++i) {
      const double x = item[i];
      dots[i % 16] += query[i] * x;
      const double difference = query[i] - x;
      const double square = difference * difference;
      squares[i % 16] += square;
    }
    double dot = 0;
    double square = 0;
    for (int i = 0; i < 16; ++i) dot += dots[i], square += squares[i];
    for (const NearestKernel* kernel : usable_kernels()) {
      EXPECT_EQ(kernel->dot(query.data(), item.data(), size), dot);
      EXPECT_EQ(kernel->squared_distance(query.data(), item.data(), size), square);
    }
  }
}

TEST(NearestKernel, BoundsAreBounds) {
  constexpr int64_t kSize = 48;
  constexpr int64_t kItems = 150;  // two groups of 64 and a part
  for (const bool by_distance : {false, true})
    for (const int64_t num_queries : {1, 2, 3, 4, 5, 6, 7, 13})
      for (const NearestKernel* kernel : usable_kernels()) {
        std::vector<float> items = normal(kItems * kSize, 3);
        for (float& x : items) x = 0.2F * x + 5;  // far from the origin
        std::vector<double> centre(kSize, 5.0);
        QueryScratch scratch(kSize);
        Sketch sketch(192, kSize, by_distance);
        sketch.start(centre);
        const auto norm = [](const float* values) {
          double sum = 0;
          for (int64_t i = 0; i < kSize; ++i) sum += static_cast<double>(values[i]) * values[i];
          return std::sqrt(sum);
        };
        for (int64_t i = 0; i < kItems; ++i)
          sketch.add(*kernel, items.data() + i * kSize, norm(items.data() + i * kSize), scratch);
        ASSERT_EQ(sketch.num_items(), kItems);

        const std::vector<float> queries = normal(num_queries * kSize, 4);
        std::vector<SketchQuery> prepared;
        std::vector<double> bases;
        std::vector<int32_t> words(static_cast<size_t>(num_queries * kSize / 4 * kernel->words_per_query));
        const int64_t group = kernel->queries_per_group;
        for (int64_t q = 0; q < num_queries; ++q) {
          const float* query = queries.data() + q * kSize;
          const std::vector<double> exact(query, query + kSize);
          const Quantised found =
              kernel->quantise(query, sketch.centre(), kSize, scratch.difference.get(), scratch.codes.get());
          bases.push_back(by_distance ? kernel->squared_distance(exact.data(), sketch.centre(), kSize)
                                      : kernel->dot(exact.data(), sketch.centre(), kSize));
          prepared.push_back(sketch.query(found, norm(query), bases.back(), -INFINITY));
          const int64_t first = q / group * group;
          kernel->pack(scratch.codes.get(), kSize, q - first, std::min(group, num_queries - first),
                       words.data() + first * kSize / 4 * kernel->words_per_query);
        }
        std::vector<Candidate> candidates(static_cast<size_t>(num_queries * 192));
        std::vector<int32_t> counts(static_cast<size_t>(num_queries));
        kernel->find(sketch.items(), 192, kSize, prepared.data(), num_queries, words.data(), candidates.data(), 192,
                     counts.data());
        double slack = 0;
        for (int64_t q = 0; q < num_queries; ++q) {
          ASSERT_EQ(counts[static_cast<size_t>(q)], 192);
          const float* query = queries.data() + q * kSize;
          const std::vector<double> exact(query, query + kSize);
          for (int64_t i = 0; i < kItems; ++i) {
            const Candidate& candidate = candidates[static_cast<size_t>(q * 192 + i)];
            ASSERT_EQ(candidate.item, i);
            const float* item = items.data() + i * kSize;
            const auto similarity =
                static_cast<float>(by_distance ? -std::sqrt(kernel->squared_distance(exact.data(), item, kSize))
                                               : kernel->dot(exact.data(), item, kSize));
            // A vector whose own similarity is the threshold is not left out, and one that is far below is.
            const float least = sketch.bound_threshold(norm(query), bases[static_cast<size_t>(q)], similarity);
            EXPECT_GE(candidate.bound, least);
            slack = std::max(slack, static_cast<double>(candidate.bound - least));
          }
        }
        EXPECT_LT(slack, 0.1 * 7 * 5);  // of |q| |y| or so: bytes are good to a hundredth
      }
}

TEST(NearestIndex, StopsWhereItIsTold) {
  constexpr int64_t kDim = 64;
  const std::vector<float> part = normal(20000 * kDim, 5);
  std::vector<float> vectors;  // so many that adding them takes a few times as long as until it asks
  for (int i = 0; i < 12; ++i) vectors.insert(vectors.end(), part.begin(), part.end());
  const std::vector<float> queries = normal(600 * kDim, 6);
  NearestIndex index(kDim, SearchMetric::kCosine, Storage::kFloat32);
  index.add(std::span(part).first(1500 * kDim), 1, {});
  const Neighbours before = index.search(queries, 3, {}, 1, {});
  const Poll stop = [] { throw Interrupted(); };
  ASSERT_THROW(index.add(vectors, 1, stop), Interrupted);
  EXPECT_EQ(index.size(), 1500);
  EXPECT_EQ(index.search(queries, 3, {}, 2, {}).positions, before.positions);
  index.add(std::span(part).subspan(1500 * kDim), 2, {});
  EXPECT_THROW(index.search(queries, 3, {}, 2, stop), Interrupted);

  NearestIndex whole(kDim, SearchMetric::kCosine, Storage::kFloat32);
  whole.add(part, 2, {});
  const Neighbours found = index.search(queries, 3, {}, 2, {});
  const Neighbours expected = whole.search(queries, 3, {}, 1, {});
  EXPECT_EQ(found.positions, expected.positions);
  EXPECT_EQ(found.similarities, expected.similarities);
}

TEST(NearestIndex, SearchesWhileOthersAddAndSearch) {
  constexpr int64_t kDim = 32;
  const std::vector<float> vectors = normal(3000 * kDim, 7);
  NearestIndex index(kDim, SearchMetric::kEuclidean, Storage::kInt8);
  index.add(std::span(vectors).first(10 * kDim), 1, {});
  std::atomic<int> failures{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&] {
        for (int round = 0; round < 20; ++round) {
          const Neighbours found = index.search(std::span(vectors).first(5 * kDim), 1, {}, 2, {});
          for (int64_t q = 0; q < 5; ++q)  // each its own nearest, rounded
            failures += found.positions[static_cast<size_t>(q)] != q ? 1 : 0;
        }
      });
    for (int64_t first = 10; first < 3000; first += 230)
      index.add(std::span(vectors).subspan(static_cast<size_t>(first * kDim), static_cast<size_t>(230 * kDim)), 1, {});
  }
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(index.size(), 3000);
}

TEST(NearestIndex, AmongEquallyNearTheFirst) {
  std::vector<float> vectors(20000);
  for (size_t i = 0; i < vectors.size(); ++i) vectors[i] = static_cast<float>(i);
  NearestIndex index(1, SearchMetric::kEuclidean, Storage::kFloat32);
  index.add(vectors, 1, {});
  const Neighbours found = index.search(std::span(vectors).first(300), 2, {}, 2, {});
  for (int64_t q = 1; q < 300; ++q) {
    EXPECT_EQ(found.positions[static_cast<size_t>(2 * q)], q);
    EXPECT_EQ(found.positions[static_cast<size_t>(2 * q + 1)], q - 1);  // as near as q + 1, and before it
  }
}

}  // namespace
}  // namespace siamaudio

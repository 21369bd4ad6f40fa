// The inner loops of nearest.h, one copy for each instruction set.
#pragma once

#include <cstdint>

#include "simd/isa.h"

namespace siamaudio {

/// Rows are filled up with zeros to a multiple of so many numbers.
constexpr int64_t kRowMultiple = 16;

/// Codes of so many vectors lie together: 4 of the first, 4 of the second, …, then the next 4 of each.
constexpr int64_t kPanelItems = 16;

/// A block's codes have room for a multiple of so many vectors.
constexpr int64_t kItemMultiple = 64;

/// A vector as bytes: its numbers are about scale * code.
struct Quantised {
  float scale;
  float squared_norm;        ///< of the vector
  float squared_code_norm;   ///< of scale * code
  float squared_difference;  ///< of the two
  int32_t sum;               ///< of the codes
};

/// Vectors y of which bytes are known, and what bounds q·y + bias from above, for a q of which bytes are known: the
/// inner product of the bytes' vectors + |q - its bytes'| code_norm + |q| error + bias.
struct SketchItems {
  const uint8_t* codes;  ///< (panels, dim / 4, kPanelItems, 4), 128 added to each
  const float* scales;
  const float* biases;
  const float* code_norms;
  const float* errors;
};

struct SketchQuery {
  float scale;
  float error;      ///< |q - its bytes'|
  float norm;       ///< |q|
  float threshold;  ///< what is surely below is no candidate
  int32_t offset;   ///< -128 times the sum of the codes
};

struct Candidate {
  float bound;
  int32_t item;
};

struct NearestKernel {
  // ---- Of one query and one kept vector, the same bits with every instruction set: number i is added to sum i mod 16,
  // then the 16 sums one after the other. size: a multiple of kRowMultiple

  double (*dot)(const double* query, const float* item, int64_t size);
  double (*squared_distance)(const double* query, const float* item, int64_t size);

  /// Numbers of 16 bits, of which none is infinite or NaN.
  void (*widen)(const uint16_t* halves, int64_t size, float* numbers);

  // ---- Bytes. size: as above; num_items: a multiple of kItemMultiple

  /// Of vector - centre, which is also written to difference; the codes are in [-127, 127].
  Quantised (*quantise)(const float* vector, const float* centre, int64_t size, float* difference, int8_t* codes);

  /// How many queries are packed together, into how many words for every 4 codes of each.
  int64_t queries_per_group;
  int64_t words_per_query;
  /// words: of the query's group, (size / 4, queries, words_per_query); query: its place among so many queries.
  void (*pack)(const int8_t* codes, int64_t size, int64_t query, int64_t queries, int32_t* words);

  /// Appends to each query's candidates (num_items,), of which there are `counts`, the items that may reach its
  /// threshold. words: groups of queries_per_group, the last of as many as are left.
  void (*find)(const SketchItems& items, int64_t num_items, int64_t size, const SketchQuery* queries,
               int64_t num_queries, const int32_t* words, Candidate* candidates, int64_t candidate_stride,
               int32_t* counts);
};

/// The widest for an instruction set that this processor runs.
const NearestKernel& nearest_kernel(Isa isa);

// Each in a source file that is compiled for it; those files share no template with others, of which the linker would
// keep one copy for every processor.
const NearestKernel& nearest_kernel_baseline();
const NearestKernel& nearest_kernel_avx2();
const NearestKernel& nearest_kernel_avx512();
const NearestKernel& nearest_kernel_avx512vnni();

}  // namespace siamaudio

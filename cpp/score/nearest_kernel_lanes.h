// The inner loops for registers of W floats. Included by one source file for each instruction set.
#pragma once

#include <cstring>

#include "score/nearest_kernel.h"
#include "simd/lanes.h"
#include "simd/unrolled.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace siamaudio {

/// HasVnni: products of four pairs of bytes are added in one instruction.
template <int W, bool HasVnni>
struct NearestLanes {
  // NOLINTBEGIN(readability-redundant-typename): clang before 16 wants it
  using Doubles = typename Vectors<W>::Doubles;
  using HalfFloats = typename Vectors<W>::HalfFloats;
  using Floats = typename Vectors<W>::Floats;
  using Integers = typename Vectors<W>::Integers;
  using Unsigned = typename Vectors<W>::Unsigned;
  using Bytes = typename Vectors<W>::Bytes;
  using Shorts = typename Vectors<W>::Shorts;
  // NOLINTEND(readability-redundant-typename)
  static constexpr int64_t kDoubles = W / 2;
  static constexpr int64_t kSums = kRowMultiple / kDoubles;

  // As many sums of queries by registers of items as fit the registers.
  static constexpr int64_t kQueries = HasVnni ? 6 : 4;
  static constexpr int64_t kRegisters = W == 16 ? 4 : 2;
  static constexpr int64_t kWords = HasVnni ? 1 : 2;

  template <typename Vector, typename Number>
  [[gnu::always_inline]] static Vector load(const Number* values) {
    Vector vector;
    std::memcpy(&vector, values, sizeof(vector));
    return vector;
  }

  // ---- Exact

  /// Adds term(query, item), both kDoubles numbers.
  template <typename Term>
  [[gnu::always_inline]] static double sum(const double* query, const float* item, int64_t size, const Term& term) {
    Doubles sums[kSums] = {};
    for (int64_t i = 0; i < size; i += kRowMultiple)
      for (int64_t s = 0; s < kSums; ++s)
        sums[s] += term(load<Doubles>(query + i + s * kDoubles),
                        __builtin_convertvector(load<HalfFloats>(item + i + s * kDoubles), Doubles));
    double total = 0;
    for (int64_t s = 0; s < kSums; ++s)
      for (int64_t i = 0; i < kDoubles; ++i) total += sums[s][i];
    return total;
  }

  static double dot(const double* query, const float* item, int64_t size) {
    return sum(query, item, size, [](Doubles a, Doubles b) { return a * b; });
  }

  static double squared_distance(const double* query, const float* item, int64_t size) {
    return sum(query, item, size, [](Doubles a, Doubles b) { return (a - b) * (a - b); });
  }

  static void widen(const uint16_t* halves, int64_t size, float* numbers) {
    for (int64_t i = 0; i < size; i += W) {
      const auto bits = __builtin_convertvector(load<Shorts>(halves + i), Unsigned);
      // Exponent and mantissa in a float's places make a number 2^112 times too small, a subnormal one too.
      const Unsigned magnitude = (bits & 0x7FFF) << 13;
      Floats number;
      std::memcpy(&number, &magnitude, sizeof(number));
      number *= 0x1p112F;
      Unsigned signed_bits;
      std::memcpy(&signed_bits, &number, sizeof(number));
      signed_bits |= (bits & 0x8000) << 16;
      std::memcpy(numbers + i, &signed_bits, sizeof(signed_bits));
    }
  }

  // ---- Bytes

  static Quantised quantise(const float* vector, const float* centre, int64_t size, float* difference, int8_t* codes) {
    Floats largest{};
    for (int64_t i = 0; i < size; i += W) {
      const Floats y = load<Floats>(vector + i) - load<Floats>(centre + i);
      std::memcpy(difference + i, &y, sizeof(y));
      const Floats magnitude = y < 0 ? -y : y;
      largest = magnitude > largest ? magnitude : largest;
    }
    float most = 0;
    for (int lane = 0; lane < W; ++lane) most = largest[lane] > most ? largest[lane] : most;
    const float scale = most / 127;
    const float per_scale = scale > 0 ? 127 / most : 0;

    Floats squares{};
    Floats code_squares{};
    Floats differences{};
    Integers total{};
    for (int64_t i = 0; i < size; i += W) {
      const Floats y = load<Floats>(difference + i);
      const Floats steps = y * per_scale;
      // Rounded to the nearest, halves away from zero.
      const Integers code = __builtin_convertvector(steps + (steps < 0 ? Floats{} - 0.5F : Floats{} + 0.5F), Integers);
      const Bytes bytes = __builtin_convertvector(code, Bytes);
      std::memcpy(codes + i, &bytes, sizeof(bytes));
      total += code;
      const Floats known = __builtin_convertvector(code, Floats) * scale;
      squares += y * y;
      code_squares += known * known;
      differences += (y - known) * (y - known);
    }
    Quantised found{.scale = scale, .squared_norm = 0, .squared_code_norm = 0, .squared_difference = 0, .sum = 0};
    for (int lane = 0; lane < W; ++lane) {
      found.squared_norm += squares[lane];
      found.squared_code_norm += code_squares[lane];
      found.squared_difference += differences[lane];
      found.sum += total[lane];
    }
    return found;
  }

  static void pack(const int8_t* codes, int64_t size, int64_t query, int64_t queries, int32_t* words) {
    words += query * kWords;
    for (int64_t i = 0; i < size; i += 4, codes += 4, words += queries * kWords) {
      if constexpr (HasVnni) {
        std::memcpy(words, codes, 4);
      } else {
        const int16_t pairs[4] = {codes[0], codes[2], codes[1], codes[3]};
        std::memcpy(words, pairs, sizeof(pairs));
      }
    }
  }

  /// a[0] b[0] + a[1] b[1] of pairs of 16 bits.
  [[gnu::always_inline]] static Integers multiply_pairs(Integers a, Integers b) {
#if defined(__AVX512BW__)
    if constexpr (W == 16) return (Integers)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#endif
#if defined(__AVX2__)
    if constexpr (W == 8) return (Integers)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#endif
#if defined(__SSE2__)
    if constexpr (W == 4) return (Integers)_mm_madd_epi16((__m128i)a, (__m128i)b);
#endif
    return ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
  }

  /// One bit for each lane that is not below.
  [[gnu::always_inline]] static uint32_t not_below(Floats values, Floats threshold) {
#if defined(__AVX512F__)
    if constexpr (W == 16) return _mm512_cmp_ps_mask((__m512)values, (__m512)threshold, _CMP_NLT_UQ);
#endif
#if defined(__AVX2__)
    if constexpr (W == 8)
      return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps((__m256)values, (__m256)threshold, _CMP_NLT_UQ)));
#endif
#if defined(__SSE2__)
    if constexpr (W == 4)
      return static_cast<uint32_t>(_mm_movemask_ps(_mm_cmpnlt_ps((__m128)values, (__m128)threshold)));
#endif
    uint32_t mask = 0;
    for (int lane = 0; lane < W; ++lane) mask |= (values[lane] < threshold[lane] ? 0U : 1U) << lane;
    return mask;
  }

  /// Queries by the kRegisters registers of items from `first` on.
  template <int Queries>
  static void find_tile(const SketchItems& items, int64_t first, int64_t size, const SketchQuery* queries,
                        const int32_t* words, Candidate* candidates, int64_t candidate_stride, int32_t* counts) {
    const uint8_t* codes[kRegisters];
    for (int64_t r = 0; r < kRegisters; ++r) {
      const int64_t item = first + r * W;
      codes[r] = items.codes + item / kPanelItems * kPanelItems * size + item % kPanelItems * 4;
    }
    Integers sums[Queries][kRegisters];
    unrolled<Queries>([&]<int Q>() __attribute__((always_inline)) {
      unrolled<kRegisters>([&]<int R>()
                               __attribute__((always_inline)) { sums[Q][R] = Integers{} + queries[Q].offset; });
    });
    for (int64_t quad = 0; quad < size / 4; ++quad, words += Queries * kWords) {
      Integers known[kRegisters];
      unrolled<kRegisters>([&]<int R>() __attribute__((always_inline)) {
        known[R] = load<Integers>(codes[R] + quad * 4 * kPanelItems);
      });
      if constexpr (HasVnni) {
#if defined(__AVX512VNNI__)
        unrolled<Queries>([&]<int Q>() __attribute__((always_inline)) {
          const Integers word = Integers{} + words[Q];
          unrolled<kRegisters>([&]<int R>() __attribute__((always_inline)) {
            sums[Q][R] = (Integers)_mm512_dpbusd_epi32((__m512i)sums[Q][R], (__m512i)known[R], (__m512i)word);
          });
        });
#endif
      } else {
        Integers even[kRegisters];
        Integers odd[kRegisters];
        unrolled<kRegisters>([&]<int R>() __attribute__((always_inline)) {
          even[R] = known[R] & 0x00FF00FF;
          odd[R] = (Integers)((Unsigned)known[R] >> 8) & 0x00FF00FF;
        });
        unrolled<Queries>([&]<int Q>() __attribute__((always_inline)) {
          const Integers even_word = Integers{} + words[Q * kWords];
          const Integers odd_word = Integers{} + words[Q * kWords + 1];
          unrolled<kRegisters>([&]<int R>() __attribute__((always_inline)) {
            sums[Q][R] += multiply_pairs(even[R], even_word);
            sums[Q][R] += multiply_pairs(odd[R], odd_word);
          });
        });
      }
    }
    unrolled<kRegisters>([&]<int R>() __attribute__((always_inline)) {
      const int64_t item = first + int64_t{R} * W;
      const Floats scales = load<Floats>(items.scales + item);
      const Floats biases = load<Floats>(items.biases + item);
      const Floats code_norms = load<Floats>(items.code_norms + item);
      const Floats errors = load<Floats>(items.errors + item);
      unrolled<Queries>([&]<int Q>() __attribute__((always_inline)) {
        const SketchQuery& query = queries[Q];
        const Floats product = __builtin_convertvector(sums[Q][R], Floats) * scales * query.scale;
        const Floats bounds = product + biases + (code_norms * query.error + errors * query.norm);
        uint32_t mask = not_below(bounds, Floats{} + query.threshold);
        if (__builtin_expect(static_cast<int64_t>(mask != 0), 0) == 0) return;
        Candidate* target = candidates + Q * candidate_stride + counts[Q];
        for (; mask != 0; mask &= mask - 1, ++target, ++counts[Q]) {
          const int lane = __builtin_ctz(mask);
          *target = {bounds[lane], static_cast<int32_t>(item) + lane};
        }
      });
    });
  }

  static void find(const SketchItems& items, int64_t num_items, int64_t size, const SketchQuery* queries,
                   int64_t num_queries, const int32_t* words, Candidate* candidates, int64_t candidate_stride,
                   int32_t* counts) {
    // The items of a tile stay in the nearest cache while all queries pass.
    for (int64_t first = 0; first < num_items; first += kRegisters * W)
      for (int64_t query = 0; query < num_queries; query += kQueries) {
        const int64_t left = num_queries - query < kQueries ? num_queries - query : kQueries;
        unrolled<kQueries>([&]<int Q>() __attribute__((always_inline)) {
          if (left == Q + 1)
            find_tile<Q + 1>(items, first, size, queries + query, words + query * kWords * (size / 4),
                             candidates + query * candidate_stride, candidate_stride, counts + query);
        });
      }
  }
};

template <int W, bool HasVnni>
inline constexpr NearestKernel kNearestKernel{
    .dot = &NearestLanes<W, HasVnni>::dot,
    .squared_distance = &NearestLanes<W, HasVnni>::squared_distance,
    .widen = &NearestLanes<W, HasVnni>::widen,
    .quantise = &NearestLanes<W, HasVnni>::quantise,
    .queries_per_group = NearestLanes<W, HasVnni>::kQueries,
    .words_per_query = NearestLanes<W, HasVnni>::kWords,
    .pack = &NearestLanes<W, HasVnni>::pack,
    .find = &NearestLanes<W, HasVnni>::find,
};

}  // namespace siamaudio

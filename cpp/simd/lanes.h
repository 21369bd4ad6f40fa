// Several numbers that are computed with as one: one SIMD register, one lane a frame.
//
// A Lane behaves like a float in arithmetic, so that templates written for numbers, KissFFT's among them, run on it
// unchanged. Each width is compiled in one source file only, with that width's instructions (see frame_kernel.h).
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace siamaudio {

template <typename T>
concept Arithmetic = std::is_arithmetic_v<T>;

/// The compiler's vector types: W numbers of 32, 16 and 8 bits, half as many floats, and the
/// doubles that take the room of W floats.
template <int W>
struct Vectors;
template <>
struct Vectors<4> {
  typedef float Floats __attribute__((vector_size(16)));
  typedef float HalfFloats __attribute__((vector_size(8)));
  typedef int32_t Integers __attribute__((vector_size(16)));
  typedef uint32_t Unsigned __attribute__((vector_size(16)));
  typedef uint16_t Shorts __attribute__((vector_size(8)));
  typedef uint8_t Bytes __attribute__((vector_size(4)));
  typedef double Doubles __attribute__((vector_size(16)));
};
template <>
struct Vectors<8> {
  typedef float Floats __attribute__((vector_size(32)));
  typedef float HalfFloats __attribute__((vector_size(16)));
  typedef int32_t Integers __attribute__((vector_size(32)));
  typedef uint32_t Unsigned __attribute__((vector_size(32)));
  typedef uint16_t Shorts __attribute__((vector_size(16)));
  typedef uint8_t Bytes __attribute__((vector_size(8)));
  typedef double Doubles __attribute__((vector_size(32)));
};
template <>
struct Vectors<16> {
  typedef float Floats __attribute__((vector_size(64)));
  typedef float HalfFloats __attribute__((vector_size(32)));
  typedef int32_t Integers __attribute__((vector_size(64)));
  typedef uint32_t Unsigned __attribute__((vector_size(64)));
  typedef uint16_t Shorts __attribute__((vector_size(32)));
  typedef uint8_t Bytes __attribute__((vector_size(16)));
  typedef double Doubles __attribute__((vector_size(64)));
};

/// W floats.
template <int W>
struct Lane {
  // NOLINTBEGIN(readability-redundant-typename): clang before 16 wants it
  using Vector = typename Vectors<W>::Floats;
  using Integers = typename Vectors<W>::Integers;
  // NOLINTEND(readability-redundant-typename)

  Vector v;

  Lane() = default;
  Lane(Vector vector) : v(vector) {}
  template <Arithmetic T>
  Lane(T number) : v(static_cast<float>(number) - Vector{}) {}  // x - 0 is x, that of x = -0 too; x + 0 would be work

  static Lane load(const float* values) {
    Lane lane;
    std::memcpy(&lane.v, values, sizeof(Vector));
    return lane;
  }
  void store(float* values) const { std::memcpy(values, &v, sizeof(Vector)); }

  /// The first lane: for KissFFT, which calls std::acos with a number that is the same in all lanes.
  operator double() const { return static_cast<double>(v[0]); }

  Lane operator-() const { return -v; }
  Lane& operator+=(Lane other) { return v += other.v, *this; }
  Lane& operator-=(Lane other) { return v -= other.v, *this; }
  Lane& operator*=(Lane other) { return v *= other.v, *this; }
  Lane& operator/=(Lane other) { return v /= other.v, *this; }
  friend Lane operator+(Lane a, Lane b) { return a.v + b.v; }
  friend Lane operator-(Lane a, Lane b) { return a.v - b.v; }
  friend Lane operator*(Lane a, Lane b) { return a.v * b.v; }
  friend Lane operator/(Lane a, Lane b) { return a.v / b.v; }
  template <Arithmetic T>
  friend Lane operator*(T a, Lane b) {
    return Lane(a) * b;
  }

  /// Each lane by itself: b where it is larger, else a, even where that is not a number.
  friend Lane max(Lane a, Lane b) { return b.v > a.v ? b.v : a.v; }

  friend Lane sqrt(Lane a) {
    for (int i = 0; i < W; ++i) a.v[i] = __builtin_sqrtf(a.v[i]);
    return a;
  }

  // For tables, where speed does not matter: computed in double.
  friend Lane exp(Lane a) {
    return each(a, [](double x) { return std::exp(x); });
  }
  friend Lane cos(Lane a) {
    return each(a, [](double x) { return std::cos(x); });
  }
  friend Lane sin(Lane a) {
    return each(a, [](double x) { return std::sin(x); });
  }

  /// Natural logarithm to about one unit in the last place, for zero (-Inf), subnormal and infinite numbers too; a
  /// negative number or NaN gives NaN. S. L. Moshier's Cephes, logf: with x = m * 2^e, sqrt(1/2) <= m < sqrt(2), and
  /// t = m - 1, log(x) = t - t^2/2 + t^3 P(t) + e log(2).
  friend Lane log(Lane x) {
    constexpr float kSmallestNormal = 1.17549435e-38F;
    constexpr float kTwoTo23 = 8388608.0F;
    const Integers is_small = x.v < kSmallestNormal;
    const Vector scaled = is_small ? x.v * kTwoTo23 : x.v;
    Integers bits;
    std::memcpy(&bits, &scaled, sizeof(bits));
    // Shifting by the bits of sqrt(1/2) makes the exponent field count from there.
    const Integers shifted = bits - 0x3F3504F3;
    const Integers exponent = (shifted >> 23) - (is_small ? Integers{} + 23 : Integers{});
    const Integers mantissa_bits = (shifted & 0x007FFFFF) + 0x3F3504F3;
    Vector t;
    std::memcpy(&t, &mantissa_bits, sizeof(t));
    t -= 1.0F;
    const Vector e = __builtin_convertvector(exponent, Vector);

    Vector p = Vector{} + 7.0376836292e-2F;
    for (const float coefficient : {-1.1514610310e-1F, 1.1676998740e-1F, -1.2420140846e-1F, 1.4249322787e-1F,
                                    -1.6668057665e-1F, 2.0000714765e-1F, -2.4999993993e-1F, 3.3333331174e-1F})
      p = p * t + coefficient;
    const Vector t2 = t * t;
    // log(2) in two parts, the first exact in few bits, so that e times it is exact.
    Vector result = p * t * t2 - 2.12194440e-4F * e - 0.5F * t2 + t + 0.693359375F * e;

    const Vector infinity = Vector{} + __builtin_inff();
    result = x.v == infinity ? infinity : result;
    result = x.v == 0.0F ? -infinity : result;
    return x.v >= 0.0F ? result : Vector{} + __builtin_nanf("");
  }

 private:
  template <typename Function>
  static Lane each(Lane a, Function function) {
    for (int i = 0; i < W; ++i) a.v[i] = static_cast<float>(function(static_cast<double>(a.v[i])));
    return a;
  }
};

/// The numbers of two lanes' halves in turn: a[offset], b[offset], a[offset + 1], b[offset + 1], ...
template <int Offset, int W, int... I>
Lane<W> interleaved(Lane<W> a, Lane<W> b, std::integer_sequence<int, I...> /*indices*/) {
  return __builtin_shufflevector(a.v, b.v, (Offset + I / 2 + I % 2 * W)...);
}

/// Turns W rows of W numbers into columns, in place. In each of log2(W) rounds the first half of the rows is
/// interleaved with the second, number by number; after all of them every number has gone to its transposed place.
template <int W>
void transpose(Lane<W> (&rows)[W]) {
  constexpr std::make_integer_sequence<int, W> kIndices;
  for (int round = 1; round < W; round *= 2) {
    Lane<W> next[W];
    for (int i = 0; i < W / 2; ++i) {
      next[2 * i] = interleaved<0>(rows[i], rows[i + W / 2], kIndices);
      next[2 * i + 1] = interleaved<W / 2>(rows[i], rows[i + W / 2], kIndices);
    }
    for (int i = 0; i < W; ++i) rows[i] = next[i];
  }
}

}  // namespace siamaudio

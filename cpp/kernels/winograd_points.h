// The points of Winograd's algorithm and what follows from them (see winograd.h).
//
// They are 0, P pairs +p and -p, and infinity, in this order. So M(x) = x Q(x^2) with Q(s) = prod_i (s - p_i^2), and
//
//   M(x) / x = Q(x^2),    M(x) / (x -+ p_i) = (x^2 +- p_i x) Q_i(x^2),    Q_i(s) = Q(s) / (s - p_i^2):
//
// the rows of a pair have their even part in common and the odd part up to its sign.
//
// All functions here are for constant expressions only: called at run time they would be code that the kernels of
// different instruction sets share.
#pragma once

namespace siamaudio {

/// The positive points for K x K kernels: those of the least error that a search among multiples of 1/16 found, given
/// that the rows' coefficients are exact in float.
template <int K>
struct WinogradPairs;
template <>
struct WinogradPairs<3> {
  static constexpr double kPoints[]{0.75, 1.5};
};
template <>
struct WinogradPairs<5> {
  static constexpr double kPoints[]{0.5, 1.0, 2.0};
};

template <int K>
struct WinogradPoints {
  static constexpr int kOutputs = 4;   ///< a side of a tile's outputs
  static constexpr int kSide = K + 3;  ///< n: points, and a side of a tile's inputs
  static constexpr int kNumPairs = K / 2 + 1;

  /// p_i.
  static constexpr double pair(int i) { return WinogradPairs<K>::kPoints[i]; }

  /// p_i to the power of `exponent`.
  static constexpr double power(int i, int exponent) {
    double result = 1;
    for (int j = 0; j < exponent; ++j) result *= pair(i);
    return result;
  }

  /// The coefficient of s^k in Q(s), in Q_i(s) where i = `without`.
  static constexpr double coefficient(int k, int without = -1) {
    double product[kNumPairs + 1]{1.0};
    for (int i = 0, degree = 0; i < kNumPairs; ++i) {
      if (i == without) continue;
      ++degree;
      for (int j = degree; j >= 0; --j) product[j] = (j > 0 ? product[j - 1] : 0.0) - pair(i) * pair(i) * product[j];
    }
    return product[k];
  }

  struct Matrix {
    double rows[kSide][K];
  };
  static constexpr Matrix kernel_matrix() {
    Matrix g{};
    g.rows[0][0] = 1 / coefficient(0);  // M'(0) = Q(0)
    for (int i = 0; i < kNumPairs; ++i) {
      double others = 1;  // M'(+-p) = 2 p^2 Q_i(p^2)
      for (int j = 0; j < kNumPairs; ++j)
        if (j != i) others *= pair(i) * pair(i) - pair(j) * pair(j);
      double factor = 1 / (2 * pair(i) * pair(i) * others);
      for (int k = 0; k < K; ++k, factor *= pair(i)) {
        g.rows[1 + 2 * i][k] = factor;
        g.rows[2 + 2 * i][k] = k % 2 == 0 ? factor : -factor;
      }
    }
    g.rows[kSide - 1][K - 1] = 1;
    return g;
  }
};

/// G, whose entries are read as constants.
template <int K>
inline constexpr auto kWinogradKernelMatrix = WinogradPoints<K>::kernel_matrix();

}  // namespace siamaudio

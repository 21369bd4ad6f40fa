// Convolutions with K x K kernels and stride 1 by Winograd's algorithm, K = 3 or 5: four to six times fewer
// multiplications than the sum they compute.
//
// In one dimension, four outputs y of a kernel g are sums over a tile d of n = K + 3 inputs, y_k = sum_j g_j d_(k+j).
// Take n - 1 different points p_i and infinity, and the polynomial M(x) = prod_i (x - p_i). Then (Toom and Cook)
//
//   y = A^T [(G g) * (B^T d)], * number by number, with
//   A: n x 4,    rows (1, p_i, p_i^2, p_i^3), the last (0, 0, 0, 1);
//   G: n x K,    rows (1, p_i, ..., p_i^(K-1)) / M'(p_i), the last (0, ..., 0, 1);
//   B^T: n x n,  rows the coefficients of M(x) / (x - p_i), the last those of M(x).
//
// In two dimensions each matrix is applied to columns and then to rows. Over many channels the products of a point
// become a product of matrices, V the tiles' inputs, U the kernel:
//
//   convolution: V = B^T d B for tile t and input channel c, U = G g G^T for c and output channel o;
//                m[t, o] = sum_c V[t, c] U[c, o] for each of the n^2 points; y = A^T m A + bias.
//   gradient of the inputs: the same, of the outputs' gradient z, with the kernel turned by half a turn, its channels
//                swapped, and K - 1 - (padding) zeros around.
//   gradient of the kernel: by the chain rule, Z = A z A^T; D[c, o] = sum_t V[t, c] Z[t, o]; dg = G^T D G.
//
// The points come in pairs +p and -p, see winograd_points.h; U and dg are computed in double.
//
// A number that is not finite spreads over its tile, and an infinity becomes NaN, unlike in the plain sum. So the
// kernels say whether all that they wrote is finite; where it is not, the plain sum has to be computed instead.
#pragma once

#include <cstdint>

namespace siamaudio {

/// A convolution's sizes. Tiles are numbered clip by clip, row by row.
struct WinogradShape {
  int64_t num_clips;
  int64_t height;  ///< of the input, without padding
  int64_t width;
  int64_t in_channels;  ///< a multiple of the lanes, as out_channels
  int64_t out_height;
  int64_t out_width;
  int64_t out_channels;
  int64_t top;           ///< rows of zeros above the input, 0 to K - 1; as many below it as out_height asks for
  int64_t left;          ///< columns of zeros, likewise
  int64_t tiles_down;    ///< out_height / 4, rounded up
  int64_t tiles_across;  ///< out_width / 4, rounded up
};

/// A kernel or its gradient, wherever its numbers lie: value (o, c, y, x) at data[o * out_stride + c * in_stride +
/// ...].
template <typename Float>
struct WinogradWeight {
  Float* data;
  int64_t in_channels;
  int64_t out_channels;
  int64_t in_stride;
  int64_t out_stride;
  int64_t row_stride;     ///< negative, data being the last row, for a kernel that is turned
  int64_t column_stride;  ///< likewise
};

struct WinogradConvolution {
  WinogradShape shape;
  const float* input;   ///< (clips, height, width, in_channels)
  const float* weight;  ///< from transform_weight
  const float* bias;    ///< (out_channels,), or null
  float* output;        ///< (clips, out_height, out_width, out_channels)
};

struct WinogradWeightGradient {
  WinogradShape shape;
  const float* input;            ///< (clips, height, width, in_channels)
  const float* output_gradient;  ///< (clips, out_height, out_width, out_channels)
};

/// Sums over some tiles, D and the outputs' gradients.
struct WinogradSums {
  float* weight;  ///< weight_size floats
  double* bias;   ///< (out_channels,)
};

/// What one instruction set offers for one K.
struct WinogradKernels {
  int64_t (*weight_size)(int64_t in_channels, int64_t out_channels);  ///< floats of U, and of D

  /// Writes U of input channels [first, last).
  void (*transform_weight)(const WinogradWeight<const float>& weight, int64_t first, int64_t last, float* transformed);

  /// How many tiles at a time `convolve` does best: what it works on fits a second-level cache of 1 MiB. At most the
  /// n-th part of all, so that n threads have work.
  int64_t (*convolve_tiles)(const WinogradShape& shape, int64_t num_threads);
  int64_t (*convolve_scratch)(const WinogradShape& shape, int64_t num_tiles);  ///< floats

  /// Writes the outputs of tiles [first, last). False where one of them is not finite.
  bool (*convolve)(const WinogradConvolution& convolution, int64_t first, int64_t last, float* scratch);

  int64_t (*gradient_scratch)(const WinogradShape& shape);  ///< floats

  /// Writes the sums over tiles [first, last), which may be none.
  void (*sum_weight_gradient)(const WinogradWeightGradient& gradient, int64_t first, int64_t last, float* scratch,
                              const WinogradSums& sums);

  /// Writes the gradient of input channels [first, last) from `num_parts` sums, whose weights lie one after another,
  /// added in that order. False where one is not finite.
  bool (*finish_weight_gradient)(const float* sums, int64_t num_parts, int64_t first, int64_t last,
                                 const WinogradWeight<float>& gradient);
};

}  // namespace siamaudio

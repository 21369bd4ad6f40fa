// The first block of a network, convolution, batch norm, ReLU, 2 x 2 max pooling and dropout, without ever writing the
// convolution's output, which is the largest array of a training.
//
// With one input channel everything that batch norm wants to know of that output follows from the input. Let p_j be the
// K x K patch of the normalised input x̂ at position j of n, S = Σ p_j and C = Σ p_j p_jᵀ - S Sᵀ / n, and let the
// input's own batch norm multiply by γ0 (1 where there is none). A channel with weights w has, but for a constant that
// batch norm removes, the output γ0 wᵀp_j, so
//
//   m = γ0 wᵀS / n,   v = γ0² wᵀC w / n,   s = γ / sqrt(v + ε)
//
// and batch norm folds into the weights, γ0 s w, and the shift, β - s m, before the convolution. What is kept is which
// position of each pool was chosen. Of the gradient g of the block's output only two sums are wanted, each over the
// chosen positions, with k as in norm_pool.h:
//
//   G = Σ k g p,   Γ = Σ k g
//
// With them (the chain rule through m and v)
//
//   dβ = Γ,   dγ = (γ0 / σ) (wᵀG - wᵀS Γ / n),   D = s (G - S Γ / n - dγ γ0 / (n σ) C w),   dw = γ0 D,   dγ0 = Σ wᵀD
//
// while the gradients of the convolution's bias and of the input norm's β are zero. Without batch norm in the block
// s = 1, D = G, and the constants stay. Nobody wants the gradient of the input.
#pragma once

#include <cstdint>

namespace siamaudio {

/// One channel, valid padding, stride 1, pools of 2 x 2.
struct FirstBlockMap {
  int64_t clips;
  int64_t height;  ///< of the input
  int64_t width;
  int64_t kernel_size;  ///< positions of a side, K: 3 or 5
  int64_t channels;     ///< of the output

  int64_t pooled_height() const { return (height - kernel_size + 1) / 2; }
  int64_t pooled_width() const { return (width - kernel_size + 1) / 2; }
};

struct FirstBlockForward {
  FirstBlockMap map;
  const float* x;        ///< (clips, height, width)
  const float* weights;  ///< folded (K, K, channels)
  const float* shift;    ///< folded (channels,)
  float* out;            ///< (clips, pooled height, pooled width, channels)
  uint8_t* chosen;       ///< of the shape of out, as in norm_pool.h; null in inference
  double dropout;        ///< rate, 0 in inference
  uint64_t dropout_seed;
};

struct FirstBlockGradientSums {
  FirstBlockMap map;
  const float* x;
  const float* gradient;  ///< of out
  const uint8_t* chosen;
};

struct FirstBlockKernels {
  /// Adds Σ p (K²) and the upper triangle of Σ p pᵀ (K², K²) over all patches of the clips [begin, end).
  void (*sum_patches)(const FirstBlockMap& map, const float* x, int64_t begin, int64_t end, double* sum,
                      double* products);

  /// Rows [begin, end) of the clips' pooled rows.
  void (*forward)(const FirstBlockForward& block, int64_t begin, int64_t end);

  /// Adds G / k (K², channels), then Γ / k (channels), over the same rows to sums (K² + 1, channels).
  void (*sum_gradients)(const FirstBlockGradientSums& block, int64_t begin, int64_t end, double* sums);
};

}  // namespace siamaudio

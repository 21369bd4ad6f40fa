// What a block of vectors looks like in bytes: an upper bound of each similarity for a quarter of the memory traffic
// and of the arithmetic, by which nearest.cpp finds the few pairs that it computes exactly.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "score/nearest_kernel.h"

namespace siamaudio {

/// Uninitialised memory on the boundary of a cache line.
template <typename T>
class AlignedArray {
 public:
  AlignedArray() = default;
  explicit AlignedArray(int64_t size)
      : values_(static_cast<T*>(::operator new(static_cast<size_t>(size) * sizeof(T), kAlignment))) {}
  T* get() const { return values_.get(); }
  explicit operator bool() const { return values_ != nullptr; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(T* values) const { ::operator delete(values, kAlignment); }
  };
  std::unique_ptr<T, Delete> values_;
};

/// What to think of a query is known before any item is: q - centre in bytes.
struct QueryScratch {
  explicit QueryScratch(int64_t size) : difference(size), codes(size) {}
  AlignedArray<float> difference;
  AlignedArray<int8_t> codes;
};

/// For items x of a block with the mean c let y = x - c; of y bytes are kept, z with a scale s, and how far off they
/// are. The inner product with a query q, and minus half its squared distance, are
///
///     q·x             =  (q - c)·y + c·y     + q·c
///     -|q - x|² / 2   =  (q - c)·y - |y|²/2  - |q - c|²/2
///
/// Both are (q - c)·y and a bias, but for what depends on the query alone. With p = q - c, in bytes p',
///
///     |p·y - p'·(s z)|  <=  |p - p'| |s z| + |p| |y - s z|
///
/// by Cauchy and Schwarz. p'·z is a sum of products of bytes, thus exact; whatever is rounded on the way to the bound
/// is paid for by making the norms a thousandth, and the threshold a millionth of the norms, more cautious.
class Sketch {
 public:
  /// Of up to `capacity` vectors of `size` numbers, multiples of kItemMultiple and kRowMultiple.
  Sketch(int64_t capacity, int64_t size, bool by_distance);

  /// Forgets all items. centre: (size,)
  void start(const std::vector<double>& centre);

  /// The next item, x, and its norm.
  void add(const NearestKernel& kernel, const float* item, double norm, QueryScratch& scratch);

  /// The next item where the centre is 0: `factor` times bytes and their scale, which are what is searched. `norm` is
  /// that of the item.
  void add_bytes(const int8_t* codes, float scale, double factor, double norm);

  /// Keeps the first items alone.
  void cut(int64_t num_items) { num_items_ = num_items < num_items_ ? num_items : num_items_; }

  int64_t num_items() const { return num_items_; }
  const float* centre() const { return centre_.get(); }
  const double* exact_centre() const { return exact_centre_.data(); }
  SketchItems items() const;

  /// Writes what is kept of an item's bytes; (size,).
  void read_codes(int64_t item, int8_t* codes) const;

  /// Whether bounds hold for a query of this norm: for neither very large nor very small numbers.
  bool is_usable(double query_norm) const;

  /// The query for the kernel; `base` is q·c, or |q - c|² by distance.
  SketchQuery query(const Quantised& quantised, double query_norm, double base, float threshold) const;

  /// What an item's bound must reach for its similarity to reach a threshold, by inner product or minus the distance.
  float bound_threshold(double query_norm, double base, float threshold) const;

  int64_t num_bytes() const;

 private:
  void place(const int8_t* codes, float scale, float bias, double code_norm, double error, double norm);

  int64_t capacity_;
  int64_t size_;
  bool by_distance_;
  int64_t num_items_ = 0;
  double largest_ = 0;  // norm of an item
  double centre_norm_ = 0;
  std::vector<double> exact_centre_;
  AlignedArray<float> centre_;
  AlignedArray<uint8_t> codes_;
  AlignedArray<float> scales_, biases_, code_norms_, errors_;
};

}  // namespace siamaudio

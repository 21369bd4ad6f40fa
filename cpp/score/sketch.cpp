#include "score/sketch.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace siamaudio {
namespace {

// Of what is rounded in floats: sums of up to 131072 squares, 16 or more at a time; single numbers and bounds.
constexpr double kNormSlack = 1.001;
constexpr double kSlack = 1e-6;

// Between these no product of two norms, nor of two numbers that matter beside them, leaves the range of floats.
constexpr double kLeastNorm = 1e-12;
constexpr double kMostNorm = 1e12;

}  // namespace

Sketch::Sketch(int64_t capacity, int64_t size, bool by_distance)
    : capacity_(capacity),
      size_(size),
      by_distance_(by_distance),
      exact_centre_(static_cast<size_t>(size)),
      centre_(size),
      codes_(capacity * size),
      scales_(capacity),
      biases_(capacity),
      code_norms_(capacity),
      errors_(capacity) {
  start(exact_centre_);
}

void Sketch::start(const std::vector<double>& centre) {
  num_items_ = 0;
  largest_ = 0;
  double sum = 0;
  for (int64_t i = 0; i < size_; ++i) {
    const auto rounded = static_cast<float>(centre[static_cast<size_t>(i)]);
    centre_.get()[i] = rounded;
    exact_centre_[static_cast<size_t>(i)] = rounded;
    sum += static_cast<double>(rounded) * rounded;
  }
  centre_norm_ = std::sqrt(sum);
}

void Sketch::place(const int8_t* codes, float scale, float bias, double code_norm, double error, double norm) {
  if (num_items_ % kItemMultiple == 0) {
    // What is not there yet is computed with, and then not looked at; but let it be numbers.
    std::memset(codes_.get() + num_items_ * size_, 0, static_cast<size_t>(kItemMultiple * size_));
    for (float* values : {scales_.get(), biases_.get(), code_norms_.get(), errors_.get()})
      std::fill_n(values + num_items_, kItemMultiple, 0.0F);
  }
  const int64_t item = num_items_++;
  uint8_t* target = codes_.get() + item / kPanelItems * kPanelItems * size_ + item % kPanelItems * 4;
  for (int64_t i = 0; i < size_; i += 4, target += 4 * kPanelItems) {
    uint32_t quad;
    std::memcpy(&quad, codes + i, sizeof(quad));
    quad ^= 0x80808080U;
    std::memcpy(target, &quad, sizeof(quad));
  }
  scales_.get()[item] = scale;
  biases_.get()[item] = bias;
  code_norms_.get()[item] = static_cast<float>(kNormSlack * code_norm);
  errors_.get()[item] = static_cast<float>(kNormSlack * error + kSlack * norm);
  largest_ = std::max(largest_, norm);
}

void Sketch::add(const NearestKernel& kernel, const float* item, double norm, QueryScratch& scratch) {
  const Quantised found = kernel.quantise(item, centre_.get(), size_, scratch.difference.get(), scratch.codes.get());
  const double bias = by_distance_ ? -kernel.squared_distance(exact_centre_.data(), item, size_) / 2
                                   : kernel.dot(exact_centre_.data(), item, size_) - centre_norm_ * centre_norm_;
  place(scratch.codes.get(), found.scale, static_cast<float>(bias), std::sqrt(found.squared_code_norm),
        std::sqrt(found.squared_difference) + kSlack * std::sqrt(found.squared_norm), norm);
}

void Sketch::add_bytes(const int8_t* codes, float scale, double factor, double norm) {
  const double bias = by_distance_ ? -norm * norm / 2 : 0;
  place(codes, static_cast<float>(factor * scale), static_cast<float>(bias), norm, 0, norm);
}

SketchItems Sketch::items() const {
  return {.codes = codes_.get(),
          .scales = scales_.get(),
          .biases = biases_.get(),
          .code_norms = code_norms_.get(),
          .errors = errors_.get()};
}

void Sketch::read_codes(int64_t item, int8_t* codes) const {
  const uint8_t* source = codes_.get() + item / kPanelItems * kPanelItems * size_ + item % kPanelItems * 4;
  for (int64_t i = 0; i < size_; i += 4, source += 4 * kPanelItems) {
    uint32_t quad;
    std::memcpy(&quad, source, sizeof(quad));
    quad ^= 0x80808080U;
    std::memcpy(codes + i, &quad, sizeof(quad));
  }
}

bool Sketch::is_usable(double query_norm) const {
  return std::min(query_norm, largest_) >= kLeastNorm && std::max(query_norm, largest_) <= kMostNorm;
}

SketchQuery Sketch::query(const Quantised& quantised, double query_norm, double base, float threshold) const {
  const double norm = std::sqrt(quantised.squared_norm);
  return {
      .scale = quantised.scale,
      .error = static_cast<float>(kNormSlack * std::sqrt(quantised.squared_difference) + kSlack * (norm + query_norm)),
      .norm = static_cast<float>(kNormSlack * norm + kSlack * query_norm),
      .threshold = bound_threshold(query_norm, base, threshold),
      .offset = -128 * quantised.sum};
}

float Sketch::bound_threshold(double query_norm, double base, float threshold) const {
  if (threshold == -std::numeric_limits<float>::infinity()) return threshold;
  // What is a little less may be rounded to the same similarity.
  const double least = threshold - std::abs(static_cast<double>(threshold)) * 0x1p-22;
  const double bound = by_distance_ ? (base - least * least) / 2 : least - base;
  const double reach = largest_ + centre_norm_;
  return static_cast<float>(bound - kSlack * (query_norm + reach) * reach);
}

int64_t Sketch::num_bytes() const { return num_items_ * (size_ + 4 * static_cast<int64_t>(sizeof(float))); }

}  // namespace siamaudio

// The one implementation of FrameKernel, for W lanes. Included by one source file for each instruction set and compiled
// there with that set's flags; frame_kernel.h is what others include.
//
// Everything stays in lanes, lane l holding the samples or bins of one frame, from the window to the logarithm. Two
// transpositions, W x W numbers at a time, lead in and out. The working set of a step, samples, windowed frame,
// spectrum, twiddles and finished columns, fits a second-level cache of 1 MiB at n_fft 2048.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <numbers>
#include <vector>

#include "audio/fft.h"
#include "audio/frame_kernel.h"
#include "simd/lanes.h"

namespace siamaudio {

template <int W>
class LaneKernel final : public FrameKernel {
 public:
  explicit LaneKernel(const FrameTables& tables)
      : tables_(tables),
        frame_length_(static_cast<int64_t>(tables.window.size())),
        ring_length_((frame_length_ + W - 1) / W * W + W),
        fft_(static_cast<size_t>(tables.n_fft)),
        ring_(static_cast<size_t>(ring_length_)),
        frame_(static_cast<size_t>(tables.n_fft), Number(0)),
        spectrum_(static_cast<size_t>(tables.num_bins())),
        columns_(static_cast<size_t>(tables.num_rows() * W)) {}

  int num_lanes() const override { return W; }

  float transform(const float* const* lanes, int64_t run_length, int64_t num_frames, float* rows,
                  int64_t stride) override {
    const int64_t num_samples = (run_length - 1) * tables_.hop_length + frame_length_;
    int64_t num_loaded = 0;
    Number loudest(-std::numeric_limits<float>::infinity());
    not_finite_ = Number(0);
    for (int64_t step = 0; step < run_length; ++step) {
      const int64_t first = step * tables_.hop_length;
      num_loaded = std::max(num_loaded, first / W * W);  // where the hop is longer than the frame
      num_loaded = load(lanes, num_loaded, std::min(first + frame_length_, num_samples), num_samples);
      window_frame(first);
      const int64_t column = step % W;
      transform_frame(column);
      if (column == W - 1 || step == run_length - 1)
        store(step - column, column + 1, run_length, num_frames, rows, stride, loudest);
    }
    float result = loudest.v[0];
    for (int lane = 1; lane < W; ++lane) result = std::max(result, loudest.v[lane]);
    for (int lane = 0; lane < W; ++lane) result += not_finite_.v[lane];  // zeros, or NaN
    return result;
  }

 private:
  using Number = Lane<W>;

  /// Brings samples [from, until) of all lanes into the ring, rounded up to whole blocks of W. `from` is a multiple of
  /// W, and so is the ring's length. Returns where it stopped.
  int64_t load(const float* const* lanes, int64_t from, int64_t until, int64_t num_samples) {
    for (; from < until; from += W) {
      Number block[W];
      if (from + W <= num_samples) {
        for (int lane = 0; lane < W; ++lane) block[lane] = Number::load(lanes[lane] + from);
      } else {
        const auto rest = static_cast<size_t>(num_samples - from);
        for (int lane = 0; lane < W; ++lane) {
          block[lane] = Number(0);
          std::memcpy(&block[lane].v, lanes[lane] + from, rest * sizeof(float));
        }
      }
      transpose(block);
      Number* target = ring_.data() + from % ring_length_;
      for (int i = 0; i < W; ++i) target[i] = block[i];
    }
    return from;
  }

  /// frame_ = windowed samples from `first` on.
  void window_frame(int64_t first) {
    const int64_t position = first % ring_length_;
    const int64_t before_end = std::min(frame_length_, ring_length_ - position);
    const float* window = tables_.window.data();
    if (!tables_.remove_dc && tables_.preemphasis == 0) {
      multiply(ring_.data() + position, window, before_end, frame_.data());
      multiply(ring_.data(), window + before_end, frame_length_ - before_end, frame_.data() + before_end);
      return;
    }
    std::copy_n(ring_.data() + position, before_end, frame_.data());
    std::copy_n(ring_.data(), frame_length_ - before_end, frame_.data() + before_end);
    if (tables_.remove_dc) {
      Number sum(0);
      for (int64_t i = 0; i < frame_length_; ++i) sum += frame(i);
      const Number mean = sum / Number(static_cast<float>(frame_length_));
      for (int64_t i = 0; i < frame_length_; ++i) frame(i) -= mean;
    }
    const Number preemphasis(tables_.preemphasis);
    for (int64_t i = frame_length_ - 1; i > 0; --i) frame(i) -= preemphasis * frame(i - 1);
    frame(0) -= preemphasis * frame(0);
    multiply(frame_.data(), window, frame_length_, frame_.data());
  }

  static void multiply(const Number* samples, const float* window, int64_t count, Number* products) {
    for (int64_t i = 0; i < count; ++i) products[i] = samples[i] * Number(window[i]);
  }

  /// columns_[row][column] = what becomes of frame_.
  void transform_frame(int64_t column) {
    Number* target = columns_.data() + column;
    if (tables_.kind == SpectrumKind::kComplex) {
      fft_.transform(frame_.data(), [&](size_t bin, Number real, Number imaginary) {
        target[2 * bin * W] = real;
        target[(2 * bin + 1) * W] = imaginary;
      });
      return;
    }
    fft_.transform(frame_.data(), [&](size_t bin, Number real, Number imaginary) {
      spectrum_[bin] = real * real + imaginary * imaginary;
    });
    if (tables_.kind == SpectrumKind::kMagnitude)
      for (Number& bin : spectrum_) bin = sqrt(bin);
    if (tables_.mel)
      tables_.mel->apply(spectrum_.data(), [&](int64_t band, Number sum) { target[band * W] = sum; });
    else
      for (size_t bin = 0; bin < spectrum_.size(); ++bin) target[bin * W] = spectrum_[bin];
    compress(target);
  }

  /// Applies the logarithm to one column.
  void compress(Number* target) {
    const LogScale& log_scale = tables_.log;
    const auto each = [&](const auto& function) {
      for (int64_t row = 0; row < tables_.num_rows(); ++row) target[row * W] = function(target[row * W]);
    };
    switch (log_scale.kind) {
      case LogKind::kNone:
        return;
      case LogKind::kDecibels: {
        const bool is_magnitude = tables_.kind == SpectrumKind::kMagnitude;
        const double db_a_neper = (is_magnitude ? 20.0 : 10.0) / std::numbers::ln10;
        const double ref_db = log_scale.ref ? 10.0 * std::log10(std::max(log_scale.amin, *log_scale.ref)) : 0.0;
        const Number amin(is_magnitude ? std::sqrt(log_scale.amin) : log_scale.amin);
        const Number factor(db_a_neper);
        const Number shift(ref_db);
        return each([&](Number x) { return log(max(x, amin)) * factor - shift; });
      }
      case LogKind::kFloor: {
        const Number amin(log_scale.amin);
        return each([&](Number x) { return log(max(x, amin)); });
      }
      case LogKind::kOffset: {
        const Number offset(log_scale.offset);
        return each([&](Number x) { return log(x + offset); });
      }
      case LogKind::kNonZero:
        return each([](Number x) {
          const Number result = log(x);
          return Number(x.v == 0.0F ? x.v : result.v);
        });
    }
  }

  /// Writes `num_columns` finished columns of every lane, the first being frame `step` of the lane's run.
  void store(int64_t step, int64_t num_columns, int64_t run_length, int64_t num_frames, float* rows, int64_t stride,
             Number& loudest) {
    for (int64_t row = 0; row < tables_.num_rows(); ++row) {
      Number block[W];
      for (int64_t i = 0; i < num_columns; ++i) block[i] = columns_[static_cast<size_t>(row * W + i)];
      for (int64_t i = num_columns; i < W; ++i) block[i] = block[0];
      transpose(block);  // block[lane] now holds consecutive frames of one lane
      float* target = rows + row * stride;
      for (int lane = 0; lane < W; ++lane) {
        const int64_t frame = lane * run_length + step;
        const int64_t count = std::min(num_columns, num_frames - frame);
        if (count <= 0) break;
        if (count == W) {
          block[lane].store(target + frame);
        } else {
          std::memcpy(target + frame, &block[lane].v, static_cast<size_t>(count) * sizeof(float));
          for (int64_t i = count; i < W; ++i) block[lane].v[i] = block[lane].v[0];
        }
        loudest = max(loudest, block[lane]);
        not_finite_ += block[lane] * Number(0);  // 0 times Inf or NaN is NaN
      }
    }
  }

  Number& frame(int64_t i) { return frame_[static_cast<size_t>(i)]; }

  const FrameTables& tables_;
  int64_t frame_length_;
  int64_t ring_length_;
  RealFft<Number> fft_;
  std::vector<Number> ring_;      ///< samples, W frames side by side
  std::vector<Number> frame_;     ///< windowed samples, then zeros up to n_fft
  std::vector<Number> spectrum_;  ///< bins
  std::vector<Number> columns_;   ///< (rows, W steps), each number W lanes wide
  Number not_finite_{};           ///< 0, or NaN once a value that is not finite was written
};

}  // namespace siamaudio

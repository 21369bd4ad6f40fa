// The kernels on several threads at once: what each does to its own range is what one thread does to all, to the bit.
// No torch in here, so that the thread sanitizer sees every access (tools/sanitize.sh).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "expect.h"
#include "kernels/kernels.h"

namespace siamaudio {
namespace {

using Floats = std::vector<float>;
using Bytes = std::vector<uint8_t>;

/// body(begin, end) for parts of [0, count), each on a thread of its own.
void in_parts(int64_t count, int64_t num_parts, const std::function<void(int64_t, int64_t)>& body) {
  std::vector<std::jthread> threads;
  for (int64_t part = 0; part < num_parts; ++part)
    threads.emplace_back(body, count * part / num_parts, count * (part + 1) / num_parts);
}

class KernelThreads : public testing::TestWithParam<Isa> {
 protected:
  const Kernels& set_ = kernels(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Isas, KernelThreads, testing::ValuesIn(usable_isas()),
                         [](const auto& test) { return isa_name(test.param); });

TEST_P(KernelThreads, ShareTheRowsOfNormAndPool) {
  const PooledMap map{.clips = 3, .height = 9, .width = 11, .channels = 2 * set_.num_lanes, .pool_size = 2};
  const Floats y = noise(map.clips * map.height * map.width * map.channels, 1);
  const Floats scale = noise(map.channels, 2);
  const Floats shift = noise(map.channels, 3);
  const auto pooled = static_cast<size_t>(map.clips * map.pooled_height() * map.pooled_width() * map.channels);
  const Floats gradient = noise(static_cast<int64_t>(pooled), 4);

  struct Result {
    Floats out;
    Floats chosen_y;
    Floats input_gradient;
    Bytes chosen;
    bool operator==(const Result&) const = default;
  };
  const auto run = [&](int64_t num_parts) {
    Result result{.out = Floats(pooled), .chosen_y = Floats(pooled), .input_gradient = y, .chosen = Bytes(pooled)};
    const PoolForward forward{.map = map,
                              .y = y.data(),
                              .scale = scale.data(),
                              .shift = shift.data(),
                              .out = result.out.data(),
                              .chosen = result.chosen.data(),
                              .chosen_y = result.chosen_y.data(),
                              .dropout = 0.3,
                              .dropout_seed = 5};
    in_parts(map.clips * map.pooled_height(), num_parts,
             [&](int64_t begin, int64_t end) { set_.norm_pool.forward(forward, begin, end); });
    const PoolBackward backward{.map = map,
                                .gradient = gradient.data(),
                                .chosen = result.chosen.data(),
                                .mean = shift.data(),
                                .gain = scale.data(),
                                .constant = shift.data(),
                                .slope = scale.data(),
                                .y = result.input_gradient.data()};
    in_parts(map.clips * ((map.height + 1) / 2), num_parts,
             [&](int64_t begin, int64_t end) { set_.norm_pool.backward(backward, begin, end); });
    return result;
  };
  EXPECT_TRUE(run(1) == run(4));
}

TEST_P(KernelThreads, ShareTheRowsOfTheFirstBlock) {
  const FirstBlockMap map{.clips = 3, .height = 15, .width = 22, .kernel_size = 5, .channels = 3 * set_.num_lanes};
  const Floats x = noise(map.clips * map.height * map.width, 1);
  const Floats weights = noise(map.kernel_size * map.kernel_size * map.channels, 2);
  const Floats shift = noise(map.channels, 3);
  const int64_t num_rows = map.clips * map.pooled_height();
  const auto pooled = static_cast<size_t>(num_rows * map.pooled_width() * map.channels);
  const Floats gradient = noise(static_cast<int64_t>(pooled), 4);

  struct Result {
    Floats out;
    Bytes chosen;
    std::vector<std::vector<double>> sums;  // of each part
  };
  const auto run = [&](int64_t num_parts) {
    const auto num_sums = static_cast<size_t>((map.kernel_size * map.kernel_size + 1) * map.channels);
    Result result{.out = Floats(pooled),
                  .chosen = Bytes(pooled),
                  .sums = {static_cast<size_t>(num_parts), std::vector<double>(num_sums)}};
    const FirstBlockForward forward{.map = map,
                                    .x = x.data(),
                                    .weights = weights.data(),
                                    .shift = shift.data(),
                                    .out = result.out.data(),
                                    .chosen = result.chosen.data(),
                                    .dropout = 0.3,
                                    .dropout_seed = 5};
    in_parts(num_rows, num_parts, [&](int64_t begin, int64_t end) { set_.first_block.forward(forward, begin, end); });
    const FirstBlockGradientSums sums{
        .map = map, .x = x.data(), .gradient = gradient.data(), .chosen = result.chosen.data()};
    in_parts(num_parts, num_parts, [&](int64_t part, int64_t /*end*/) {
      set_.first_block.sum_gradients(sums, num_rows * part / num_parts, num_rows * (part + 1) / num_parts,
                                     result.sums[static_cast<size_t>(part)].data());
    });
    return result;
  };
  const Result one = run(1);
  const Result four = run(4);
  EXPECT_TRUE(one.out == four.out && one.chosen == four.chosen);
  std::vector<double> total(one.sums[0].size());
  for (const auto& part : four.sums)
    std::transform(part.begin(), part.end(), total.begin(), total.begin(), std::plus<>());
  expect_close(total, one.sums[0], 1e-9);
}

TEST_P(KernelThreads, ShareTheTilesOfAConvolution) {
  for (const int64_t size : {3, 5}) {
    const WinogradKernels& winograd = size == 3 ? set_.winograd3 : set_.winograd5;
    const int64_t channels = set_.num_lanes;
    const WinogradShape shape{.num_clips = 2,
                              .height = 13,
                              .width = 18,
                              .in_channels = channels,
                              .out_height = 13,
                              .out_width = 18,
                              .out_channels = channels,
                              .top = size / 2,
                              .left = size / 2,
                              .tiles_down = 4,
                              .tiles_across = 5};
    const Floats x = noise(shape.num_clips * shape.height * shape.width * channels, 1);
    const Floats weight = noise(size * size * channels * channels, 2);
    Floats transformed(static_cast<size_t>(winograd.weight_size(channels, channels)));
    winograd.transform_weight({.data = weight.data(),
                               .in_channels = channels,
                               .out_channels = channels,
                               .in_stride = size * size,
                               .out_stride = size * size * channels,
                               .row_stride = size,
                               .column_stride = 1},
                              0, channels, transformed.data());
    const int64_t num_tiles = shape.num_clips * shape.tiles_down * shape.tiles_across;
    const auto run = [&](int64_t num_parts) {
      Floats output(x.size());
      const WinogradConvolution convolution{
          .shape = shape, .input = x.data(), .weight = transformed.data(), .bias = nullptr, .output = output.data()};
      in_parts(num_tiles, num_parts, [&](int64_t begin, int64_t end) {
        Floats scratch(static_cast<size_t>(winograd.convolve_scratch(shape, end - begin)));
        EXPECT_TRUE(winograd.convolve(convolution, begin, end, scratch.data()));
      });
      return output;
    };
    EXPECT_TRUE(run(1) == run(4));
  }
}

}  // namespace
}  // namespace siamaudio

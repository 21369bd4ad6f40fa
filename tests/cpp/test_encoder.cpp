#include "model/encoder.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "expect.h"
#include "model/dropout.h"
#include "model/init.h"
#include "model/siamese.h"
#include "tensors.h"

namespace siamaudio {
namespace {

at::Generator generator(uint64_t seed) { return make_generator(at::kCPU, seed); }
Pass training(uint64_t seed = 0) { return {.is_training = true, .dropout_generator = generator(seed), .poll = {}}; }

int64_t num_values(const NamedTensors& tensors) {
  int64_t sum = 0;
  for (const auto& [name, tensor] : tensors) sum += tensor.numel();
  return sum;
}

/// (clips, channels, positions), row by row, in double.
struct Maps {
  int64_t clips;
  int64_t channels;
  int64_t positions;
  std::vector<double> data;

  double& operator()(int64_t clip, int64_t channel, int64_t position) {
    return data[static_cast<size_t>((clip * channels + channel) * positions + position)];
  }
};

struct Moments {
  std::vector<double> means;
  std::vector<double> variances;           ///< by which a batch is normalised
  std::vector<double> unbiased_variances;  ///< which enter the running ones
};

Moments moments(Maps& maps) {
  Moments result;
  const auto count = static_cast<double>(maps.clips * maps.positions);
  for (int64_t channel = 0; channel < maps.channels; ++channel) {
    double mean = 0;
    double squares = 0;
    for (int64_t clip = 0; clip < maps.clips; ++clip)
      for (int64_t position = 0; position < maps.positions; ++position) mean += maps(clip, channel, position) / count;
    for (int64_t clip = 0; clip < maps.clips; ++clip)
      for (int64_t position = 0; position < maps.positions; ++position)
        squares += std::pow(maps(clip, channel, position) - mean, 2);
    result.means.push_back(mean);
    result.variances.push_back(squares / count);
    result.unbiased_variances.push_back(squares / (count - 1));
  }
  return result;
}

void normalise(Maps& maps, const std::vector<double>& means, const std::vector<double>& variances,
               const std::vector<double>& weight, const std::vector<double>& bias) {
  for (int64_t clip = 0; clip < maps.clips; ++clip)
    for (int64_t channel = 0; channel < maps.channels; ++channel)
      for (int64_t position = 0; position < maps.positions; ++position) {
        const auto c = static_cast<size_t>(channel);
        double& value = maps(clip, channel, position);
        value = (value - means[c]) / std::sqrt(variances[c] + 1e-3) * weight[c] + bias[c];
      }
}

// ---- Initial weights

TEST(Glorot, IsUniformWithinItsLimit) {
  const at::Tensor weight = glorot_uniform({50, 40, 5, 5}, generator(1));
  const double limit = std::sqrt(6.0 / (25 * (50 + 40)));
  double largest = 0;
  double mean = 0;
  double square = 0;
  const auto all = values(weight);
  for (const double value : all) {
    largest = std::max(largest, std::abs(value));
    mean += value / static_cast<double>(all.size());
    square += value * value / static_cast<double>(all.size());
  }
  EXPECT_LE(largest, limit);
  EXPECT_GT(largest, 0.999 * limit);
  EXPECT_NEAR(mean / limit, 0, 0.02);                    // 50,000 draws: standard error 0.0026
  EXPECT_NEAR(square / (limit * limit), 1 / 3.0, 0.01);  // standard error 0.0013
  EXPECT_TRUE(at::equal(weight, glorot_uniform({50, 40, 5, 5}, generator(1))));
  EXPECT_FALSE(at::equal(weight, glorot_uniform({50, 40, 5, 5}, generator(2))));
  EXPECT_LE(glorot_uniform({30, 20}, generator(3)).abs().max().item<double>(), std::sqrt(6.0 / 50));
}

// ---- Batch normalisation

TEST(BatchNorm, NormalisesABatchByItsOwnStatistics) {
  const at::NoGradGuard no_grad;
  for (const bool has_positions : {true, false}) {
    const int64_t positions = has_positions ? 20 : 1;
    const at::Tensor x = noise_tensor({6, 3, positions}, 4) * 3 + 1;
    BatchNorm norm(3);
    const std::vector<double> weight{1.5, -0.5, 2};
    const std::vector<double> bias{0.25, 1, -1};
    named(norm.parameters(), "weight").copy_(make_tensor({1.5F, -0.5F, 2}, {3}));
    named(norm.parameters(), "bias").copy_(make_tensor({0.25F, 1, -1}, {3}));

    Maps expected{6, 3, positions, values(x)};
    const Moments batch = moments(expected);
    normalise(expected, batch.means, batch.variances, weight, bias);
    const at::Tensor input = has_positions ? x.reshape({6, 3, 4, 5}) : x.reshape({6, 3});
    const at::Tensor y = norm.forward(input, training());
    EXPECT_EQ(y.sizes(), input.sizes());
    expect_close(values(y), expected.data, 1e-5);  // float32, values up to 5
  }
}

TEST(BatchNorm, StartsAsTheIdentityOutsideTraining) {
  BatchNorm norm(2);
  const at::Tensor x = noise_tensor({3, 2, 4}, 5);
  auto expected = values(x);
  for (double& value : expected) value /= std::sqrt(1.001);
  expect_close(values(norm.forward(x, {})), expected, 1e-6);
}

TEST(BatchNorm, KeepsPlainMeansAtFirstAndThenAMovingAverage) {
  const at::NoGradGuard no_grad;
  BatchNorm norm(2);
  std::vector<double> means(2);
  std::vector<double> variances(2);
  for (int update = 1; update <= 130; ++update) {
    const at::Tensor x = noise_tensor({5, 2, 3}, static_cast<uint64_t>(update)) * update + 0.1 * update;
    norm.forward(x, training());
    Maps maps{5, 2, 3, values(x)};
    const Moments batch = moments(maps);
    for (size_t c = 0; c < 2; ++c) {
      if (update <= 100) {  // sum over all so far / number of them
        means[c] = (means[c] * (update - 1) + batch.means[c]) / update;
        variances[c] = (variances[c] * (update - 1) + batch.unbiased_variances[c]) / update;
      } else {
        means[c] = 0.99 * means[c] + 0.01 * batch.means[c];
        variances[c] = 0.99 * variances[c] + 0.01 * batch.unbiased_variances[c];
      }
    }
    const std::string what = "update " + std::to_string(update);
    expect_close(values(named(norm.buffers(), "running_mean")), means, 1e-5 * update, what);  // float32, 130 additions
    expect_close(values(named(norm.buffers(), "running_variance")), variances, 1e-5 * update * update, what);
    EXPECT_EQ(named(norm.buffers(), "num_updates").item<int64_t>(), update);
  }

  const at::Tensor x = noise_tensor({4, 2, 3}, 999) * 50;
  Maps expected{4, 2, 3, values(x)};
  normalise(expected, means, variances, {1, 1}, {0, 0});
  const NamedTensors before = copies(norm.buffers());
  expect_close(values(norm.forward(x, {})), expected.data, 1e-4);
  EXPECT_TRUE(same_bits(norm.buffers(), before)) << "a pass outside training moves the statistics";
}

TEST(BatchNorm, StaysFiniteOnASingleValueAChannel) {
  // A batch of one clip reaches the embedding's norm: its variance is unknown, not NaN for ever.
  const at::NoGradGuard no_grad;
  BatchNorm norm(3);
  norm.forward(noise_tensor({8, 3}, 6), training());
  norm.forward(noise_tensor({1, 3}, 7), training());
  for (const auto& [name, tensor] : norm.buffers())
    for (const double value : values(tensor)) EXPECT_TRUE(std::isfinite(value)) << name;
}

// ---- Dropout

TEST(Dropout, IsTheIdentityOutsideTrainingAndAtRateZero) {
  const at::Tensor x = noise_tensor({100}, 8);
  EXPECT_TRUE(at::equal(dropout(x, 0.5, {}), x));
  EXPECT_TRUE(at::equal(dropout(x, 0, training()), x));
}

TEST(Dropout, DropsItsShareAndScalesTheRest) {
  constexpr int64_t kSize = 100000;
  for (const double rate : {0.1, 0.25, 0.9}) {
    const at::Tensor x = noise_tensor({kSize}, 9) + 2;  // no zeros
    const auto kept = values(x);
    const auto dropped = values(dropout(x, rate, training()));
    int64_t num_zeros = 0;
    for (size_t i = 0; i < kept.size(); ++i) {
      if (dropped[i] == 0)
        ++num_zeros;
      else
        ASSERT_NEAR(dropped[i], kept[i] / (1 - rate), 1e-6 * dropped[i]);
    }
    EXPECT_NEAR(static_cast<double>(num_zeros) / kSize, rate, 5 * std::sqrt(rate * (1 - rate) / kSize));
  }
}

TEST(Dropout, IsDrawnFromItsGenerator) {
  const at::Tensor x = noise_tensor({1000}, 10);
  EXPECT_TRUE(at::equal(dropout(x, 0.5, training(1)), dropout(x, 0.5, training(1))));
  EXPECT_FALSE(at::equal(dropout(x, 0.5, training(1)), dropout(x, 0.5, training(2))));
  const Pass pass = training(1);
  EXPECT_FALSE(at::equal(dropout(x, 0.5, pass), dropout(x, 0.5, pass))) << "the generator does not move on";
}

// ---- Convolutional block

double naive_activation(double x, Activation activation) {
  switch (activation) {
    case Activation::kLinear:
      return x;
    case Activation::kRelu:
      return std::max(0.0, x);
    case Activation::kLeakyRelu:
      return x > 0 ? x : 0.2 * x;
    case Activation::kElu:
      return x > 0 ? x : std::exp(x) - 1;
    case Activation::kGelu:
      return x * std::erfc(-x / std::sqrt(2.0)) / 2;
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
  }
  return std::nan("");
}

/// Where the kernels begin along one side; a start below 0 or an end past the side lies in the padding.
std::vector<int64_t> kernel_starts(int64_t length, int64_t kernel, int64_t stride, Padding padding) {
  std::vector<int64_t> starts;
  if (padding == Padding::kValid) {
    for (int64_t start = 0; start + kernel <= length; start += stride) starts.push_back(start);
    return starts;
  }
  int64_t num_starts = 0;
  for (int64_t covered = 0; covered < length; covered += stride) ++num_starts;
  const int64_t missing = std::max<int64_t>(0, (num_starts - 1) * stride + kernel - length);
  for (int64_t i = 0; i < num_starts; ++i) starts.push_back(i * stride - missing / 2);
  return starts;
}

/// Convolution, batch norm, activation, then pooling: the order of the definition.
std::vector<double> naive_block(ConvBlock& block, const ConvBlockOptions& options, const at::Tensor& x,
                                bool is_training) {
  const auto weight = values(named(block.parameters(), "conv.weight"));
  const auto bias = values(named(block.parameters(), "conv.bias"));
  const auto input = values(x);
  const int64_t clips = x.size(0);
  const int64_t channels = x.size(1);
  const int64_t height = x.size(2);
  const int64_t width = x.size(3);
  const Extent& kernel = options.kernel_size;
  const auto row_starts = kernel_starts(height, kernel.height, options.stride.height, options.padding);
  const auto column_starts = kernel_starts(width, kernel.width, options.stride.width, options.padding);
  const auto rows = static_cast<int64_t>(row_starts.size());
  const auto columns = static_cast<int64_t>(column_starts.size());
  const auto at_input = [&](int64_t clip, int64_t channel, int64_t row, int64_t column) {
    if (row < 0 || row >= height || column < 0 || column >= width) return 0.0;
    return input[static_cast<size_t>(((clip * channels + channel) * height + row) * width + column)];
  };

  Maps maps{clips, options.filters, rows * columns,
            std::vector<double>(static_cast<size_t>(clips * options.filters * rows * columns))};
  for (int64_t n = 0; n < clips; ++n)
    for (int64_t f = 0; f < options.filters; ++f)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) {
          double sum = bias[static_cast<size_t>(f)];
          for (int64_t i = 0; i < channels; ++i)
            for (int64_t dr = 0; dr < kernel.height; ++dr)
              for (int64_t dc = 0; dc < kernel.width; ++dc)
                sum +=
                    weight[static_cast<size_t>(((f * channels + i) * kernel.height + dr) * kernel.width + dc)] *
                    at_input(n, i, row_starts[static_cast<size_t>(r)] + dr, column_starts[static_cast<size_t>(c)] + dc);
          maps(n, f, r * columns + c) = sum;
        }

  if (options.batch_norm) {
    const auto scale = values(named(block.parameters(), "norm.weight"));
    const auto shift = values(named(block.parameters(), "norm.bias"));
    const Moments batch = moments(maps);
    if (is_training)
      normalise(maps, batch.means, batch.variances, scale, shift);
    else
      normalise(maps, values(named(block.buffers(), "norm.running_mean")),
                values(named(block.buffers(), "norm.running_variance")), scale, shift);
  }
  for (double& value : maps.data) value = naive_activation(value, options.activation);
  if (options.pooling == Pooling::kNone) return maps.data;

  const Extent& pool = options.pool_size;
  std::vector<double> pooled;
  for (int64_t n = 0; n < clips; ++n)
    for (int64_t f = 0; f < options.filters; ++f)
      for (int64_t r = 0; r + pool.height <= rows; r += pool.height)
        for (int64_t c = 0; c + pool.width <= columns; c += pool.width) {
          double largest = -1e300;
          double sum = 0;
          for (int64_t dr = 0; dr < pool.height; ++dr)
            for (int64_t dc = 0; dc < pool.width; ++dc) {
              const double value = maps(n, f, (r + dr) * columns + c + dc);
              largest = std::max(largest, value);
              sum += value;
            }
          pooled.push_back(options.pooling == Pooling::kMax ? largest
                                                            : sum / static_cast<double>(pool.height * pool.width));
        }
  return pooled;
}

TEST(ConvBlock, AgreesWithTheDefinition) {
  const at::NoGradGuard no_grad;
  std::vector<ConvBlockOptions> blocks{
      {.filters = 3, .kernel_size = {3, 3}, .dropout = 0},
      {.filters = 2, .kernel_size = {2, 2}, .batch_norm = false, .pool_size = {3, 3}, .dropout = 0},
      {.filters = 1, .kernel_size = {1, 1}, .pooling = Pooling::kNone, .dropout = 0},
      {.filters = 4, .kernel_size = {8, 8}, .batch_norm = false, .pool_size = {1, 1}, .dropout = 0},
      {.filters = 2, .kernel_size = {2, 5}, .stride = {3, 2}, .pool_size = {2, 1}, .dropout = 0}};
  for (const Activation activation : {Activation::kLinear, Activation::kRelu, Activation::kLeakyRelu, Activation::kElu,
                                      Activation::kGelu, Activation::kSigmoid, Activation::kTanh})
    for (const Pooling pooling : {Pooling::kNone, Pooling::kMax, Pooling::kAverage})
      blocks.push_back({.filters = 2,
                        .kernel_size = {3, 2},
                        .activation = activation,
                        .pooling = pooling,
                        .pool_size = {2, 3},
                        .dropout = 0});
  for (int64_t kernel = 1; kernel <= 5; ++kernel)
    for (int64_t stride = 1; stride <= 4; ++stride)
      blocks.push_back({.filters = 2,
                        .kernel_size = {kernel, 6 - kernel},
                        .stride = {stride, 5 - stride},
                        .padding = Padding::kSame,
                        .batch_norm = false,
                        .pooling = Pooling::kNone,
                        .dropout = 0});
  for (const ConvBlockOptions& options : blocks) {
    ConvBlock block(options, 2, generator(11));
    const NamedTensors parameters = block.parameters();
    named(parameters, "conv.bias").copy_(noise_tensor({options.filters}, 12));
    if (options.batch_norm) {
      // A negative scale turns the order round: pooling must follow the normalisation.
      named(parameters, "norm.weight").copy_(noise_tensor({options.filters}, 13) - 0.5);
      named(parameters, "norm.bias").copy_(noise_tensor({options.filters}, 14) + 0.5);
    }
    const at::Tensor x = noise_tensor({3, 2, 9, 8}, 15);
    const at::Tensor trained = block.forward(x.contiguous(at::MemoryFormat::ChannelsLast), training());
    const MapShape shape = output_shape(options, {.channels = 2, .height = 9, .width = 8});
    EXPECT_EQ(trained.sizes(), at::IntArrayRef({3, shape.channels, shape.height, shape.width}));
    // float32 sums of up to 128 products, normalised by variances of about 1
    expect_close(values(trained), naive_block(block, options, x, true), 1e-5, "training");
    const at::Tensor other = noise_tensor({1, 2, 9, 8}, 16);
    expect_close(values(block.forward(other, {})), naive_block(block, options, other, false), 1e-5, "evaluation");
  }
}

TEST(ConvBlock, DropsOnlyInTraining) {
  ConvBlock block(
      {.filters = 50, .kernel_size = {1, 1}, .batch_norm = false, .pooling = Pooling::kNone, .dropout = 0.5}, 1,
      generator(17));
  named(block.parameters(), "conv.bias").fill_(10);  // nothing is rectified
  const at::Tensor x = noise_tensor({4, 1, 5, 5}, 18);
  EXPECT_EQ(block.forward(x, {}).eq(0).sum().item<int64_t>(), 0);
  EXPECT_NEAR(block.forward(x, training()).eq(0).sum().item<double>() / 5000, 0.5, 0.05);  // standard error 0.007
}

TEST(ConvBlock, CountsItsOutput) {
  for (const Padding padding : {Padding::kValid, Padding::kSame})
    for (int64_t kernel = 1; kernel <= 5; ++kernel)
      for (int64_t stride = 1; stride <= 3; ++stride)
        for (int64_t pool = 1; pool <= 4; ++pool)
          for (int64_t length = 1; length <= 12; ++length) {
            const auto convolved = static_cast<int64_t>(kernel_starts(length, kernel, stride, padding).size());
            int64_t num_pools = 0;
            for (int64_t start = 0; start + pool <= convolved; start += pool) ++num_pools;
            const ConvBlockOptions high{.filters = 1,
                                        .kernel_size = {kernel, 1},
                                        .stride = {stride, 1},
                                        .padding = padding,
                                        .pool_size = {pool, 1}};
            const ConvBlockOptions wide{.filters = 1,
                                        .kernel_size = {1, kernel},
                                        .stride = {1, stride},
                                        .padding = padding,
                                        .pool_size = {1, pool}};
            const std::string what = std::to_string(kernel) + ", " + std::to_string(stride) + ", " +
                                     std::to_string(pool) + ", " + std::to_string(length);
            EXPECT_EQ(output_shape(high, {.height = length, .width = 7}).height, num_pools) << what;
            EXPECT_EQ(output_shape(high, {.height = length, .width = 7}).width, 7) << what;
            EXPECT_EQ(output_shape(wide, {.height = 7, .width = length}).width, num_pools) << what;
            EXPECT_EQ(output_shape(wide, {.height = 7, .width = length}).height, 7) << what;
          }
}

TEST(ConvBlock, ItsWordsAreParsed) {
  EXPECT_EQ(parse_padding("valid"), Padding::kValid);
  EXPECT_EQ(parse_padding("same"), Padding::kSame);
  EXPECT_EQ(rejected_parameter([] { parse_padding("Same"); }), "padding");
  EXPECT_EQ(parse_pooling("none"), Pooling::kNone);
  EXPECT_EQ(parse_pooling("max"), Pooling::kMax);
  EXPECT_EQ(parse_pooling("average"), Pooling::kAverage);
  EXPECT_EQ(rejected_parameter([] { parse_pooling("mean"); }), "pooling");
  EXPECT_EQ(parse_activation("gelu"), Activation::kGelu);
  EXPECT_EQ(rejected_parameter([] { parse_activation("swish"); }), "activation");
}

// ---- Encoder

TEST(Encoder, OfHonka2019HasItsNumberOfParameters) {
  const InputShape input{.height = 128, .width = 431};
  int64_t rows = input.height;
  int64_t columns = input.width;
  int64_t expected = 2;  // scale and shift of the input
  for (const int64_t channels : {1, 64, 64}) {
    expected += channels * 64 * 25 + 64 + 2 * 64;
    rows = (rows - 4) / 2;
    columns = (columns - 4) / 2;
  }
  expected += rows * columns * 64 * 500 + 500 + 2 * 500;
  expected += 500 + 1;  // head
  ASSERT_EQ(expected, 19408979);
  const Siamese network({}, input, 0);
  EXPECT_EQ(num_values(network.parameters()), expected);
  // Running means and variances of 1 + 3 × 64 + 500 channels, and the five layers' counters.
  EXPECT_EQ(num_values(network.weights()) - expected, 2 * (1 + 3 * 64 + 500) + 5);
}

const ConvBlockOptions kBlock{.filters = 4, .kernel_size = {3, 3}, .pool_size = {2, 2}};

TEST(Encoder, GivesEmbeddingsInTheUnitInterval) {
  for (const EncoderOptions& options :
       {EncoderOptions{.blocks = {kBlock, kBlock}, .dense = {{.units = 7}}},
        EncoderOptions{.blocks = {}, .dense = {{.units = 3}}},
        EncoderOptions{.input_batch_norm = false, .blocks = {kBlock}, .dense = {{.units = 1, .batch_norm = false}}}}) {
    Encoder encoder(options, {.height = 12, .width = 17}, generator(19));
    for (const int64_t num_clips : {1, 2, 5}) {
      const at::Tensor embeddings = encoder.forward(noise_tensor({num_clips, 12, 17}, 20), {});
      ASSERT_EQ(embeddings.sizes(), at::IntArrayRef({num_clips, options.dense.back().units}));
      EXPECT_GE(embeddings.min().item<float>(), 0);
      EXPECT_LE(embeddings.max().item<float>(), 1);
    }
  }
}

TEST(Encoder, WithoutBlocksIsADenseLayerAndASigmoid) {
  Encoder encoder({.input_batch_norm = false, .blocks = {}, .dense = {{.units = 3, .batch_norm = false}}},
                  {.height = 2, .width = 4}, generator(21));
  const at::Tensor x = noise_tensor({5, 2, 4}, 22);
  const auto weight = values(named(encoder.parameters(), "dense1.weight"));
  const auto input = values(x);
  std::vector<double> expected;
  for (size_t clip = 0; clip < 5; ++clip)
    for (size_t unit = 0; unit < 3; ++unit) {
      double logit = 0;
      for (size_t i = 0; i < 8; ++i) logit += weight[unit * 8 + i] * input[clip * 8 + i];
      expected.push_back(1 / (1 + std::exp(-logit)));
    }
  expect_close(values(encoder.forward(x, {})), expected, 1e-6);
}

TEST(Encoder, ChainsItsDenseLayers) {
  const DenseOptions hidden{.units = 5, .batch_norm = false, .activation = Activation::kTanh, .dropout = 0};
  const DenseOptions last{.units = 2, .batch_norm = false, .activation = Activation::kLinear, .dropout = 0};
  Encoder encoder({.input_batch_norm = false, .blocks = {}, .dense = {hidden, last}}, {.height = 2, .width = 3},
                  generator(31));
  EXPECT_EQ(encoder.embedding_size(), 2);
  named(encoder.parameters(), "dense2.bias").copy_(make_tensor({0.5F, -1}, {2}));
  const at::Tensor x = noise_tensor({4, 2, 3}, 32);
  const auto input = values(x);
  const auto first = values(named(encoder.parameters(), "dense1.weight"));
  const auto second = values(named(encoder.parameters(), "dense2.weight"));
  std::vector<double> expected;
  for (size_t clip = 0; clip < 4; ++clip)
    for (size_t unit = 0; unit < 2; ++unit) {
      double sum = unit == 0 ? 0.5 : -1;
      for (size_t k = 0; k < 5; ++k) {
        double inner = 0;
        for (size_t i = 0; i < 6; ++i) inner += first[k * 6 + i] * input[clip * 6 + i];
        sum += second[unit * 5 + k] * std::tanh(inner);
      }
      expected.push_back(sum);
    }
  expect_close(values(encoder.forward(x, {})), expected, 1e-6);
}

// ---- Pooling of the last map

/// Of one clip's map, channels then rows then columns.
std::vector<double> naive_pooling(const double* map, size_t channels, size_t rows, size_t columns, MapPooling pooling) {
  std::vector<double> averages;
  std::vector<double> maxima;
  std::vector<double> frequency;
  for (size_t c = 0; c < channels; ++c) {
    double sum = 0;
    double largest = -1e300;
    for (size_t r = 0; r < rows; ++r) {
      double row_sum = 0;
      double row_largest = -1e300;
      for (size_t t = 0; t < columns; ++t) {
        const double value = map[(c * rows + r) * columns + t];
        row_sum += value;
        row_largest = std::max(row_largest, value);
      }
      frequency.push_back(row_sum / static_cast<double>(columns) + row_largest);
      sum += row_sum;
      largest = std::max(largest, row_largest);
    }
    averages.push_back(sum / static_cast<double>(rows * columns));
    maxima.push_back(largest);
  }
  const auto joined = [](std::vector<double> a, const std::vector<double>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  const auto of_length_4 = [](std::vector<double> a) {
    double square = 0;
    for (const double value : a) square += value * value;
    for (double& value : a) value *= 4 / std::sqrt(square);
    return a;
  };
  switch (pooling) {
    case MapPooling::kFlatten:
      return {map, map + channels * rows * columns};
    case MapPooling::kGlobalAverage:
      return averages;
    case MapPooling::kGlobalMax:
      return maxima;
    case MapPooling::kGlobalAverageMax:
      return joined(averages, maxima);
    case MapPooling::kFrequency:
      return frequency;
    case MapPooling::kFrequencyLevels:  // in training
      return joined(of_length_4(frequency), of_length_4(maxima));
  }
  return {};
}

constexpr auto kMapPoolings = {
    std::pair{"flatten", MapPooling::kFlatten}, std::pair{"global_average", MapPooling::kGlobalAverage},
    std::pair{"global_max", MapPooling::kGlobalMax}, std::pair{"global_average_max", MapPooling::kGlobalAverageMax},
    std::pair{"frequency", MapPooling::kFrequency}};

TEST(Encoder, PoolsItsMapAsDefined) {
  for (const auto& [word, pooling] : kMapPoolings) {
    EXPECT_EQ(parse_map_pooling(word), pooling);
    for (const bool is_normalised : {false, true}) {
      // Without blocks and dense layers the map is the input.
      const EncoderOptions options{
          .input_batch_norm = false, .blocks = {}, .pooling = pooling, .dense = {}, .l2_normalize = is_normalised};
      const InputShape input{.channels = 3, .height = 4, .width = 5};
      Encoder encoder(options, input, generator(33));
      EXPECT_TRUE(encoder.parameters().empty());
      const at::Tensor x = noise_tensor({2, 3, 4, 5}, 34);
      const auto maps = values(x);
      std::vector<double> expected;
      for (size_t clip = 0; clip < 2; ++clip) {
        auto pooled = naive_pooling(&maps[clip * 60], 3, 4, 5, pooling);
        EXPECT_EQ(encoder.embedding_size(), static_cast<int64_t>(pooled.size())) << word;
        EXPECT_EQ(embedding_size(options, input), encoder.embedding_size()) << word;
        double square = 0;
        for (const double value : pooled) square += value * value;
        for (const double value : pooled) expected.push_back(is_normalised ? value / std::sqrt(square) : value);
      }
      expect_close(values(encoder.forward(x, {})), expected, 2e-6, word);
    }
  }
  EXPECT_EQ(rejected_parameter([] { parse_map_pooling("average"); }), "pooling");
}

TEST(Encoder, AddsTheLevelBelowOutsideTraining) {
  EXPECT_EQ(parse_map_pooling("frequency_levels"), MapPooling::kFrequencyLevels);
  // The first block alone, and both, tell the maps that the levels are pooled from.
  const ConvBlockOptions block{.filters = 3, .kernel_size = {3, 3}, .batch_norm = false, .dropout = 0};
  const InputShape input{.height = 18, .width = 22};
  const at::Tensor x = noise_tensor({2, 18, 22}, 41);
  EncoderOptions options{.input_batch_norm = false, .blocks = {block}, .pooling = MapPooling::kFlatten, .dense = {}};
  const at::Tensor below = Encoder(options, input, generator(42)).forward(x, {});  // 3 x 8 x 10
  options.blocks.push_back(block);
  const at::Tensor last = Encoder(options, input, generator(42)).forward(x, {});  // 3 x 3 x 4
  options.pooling = MapPooling::kFrequencyLevels;
  Encoder encoder(options, input, generator(42));
  EXPECT_EQ(encoder.embedding_size(), 3 * 3 + 3 + 3 * 8);
  EXPECT_EQ(encoder.trained_size(), 3 * 3 + 3);

  std::vector<double> trained;
  std::vector<double> embedded;
  const auto last_maps = values(last);
  const auto below_maps = values(below);
  for (size_t clip = 0; clip < 2; ++clip) {
    const auto top = naive_pooling(&last_maps[clip * 36], 3, 3, 4, MapPooling::kFrequencyLevels);
    auto rows = naive_pooling(&below_maps[clip * 240], 3, 8, 10, MapPooling::kFrequency);
    double square = 0;
    for (const double value : rows) square += value * value;
    for (double& value : rows) value *= 4 / std::sqrt(square);
    trained.insert(trained.end(), top.begin(), top.end());
    embedded.insert(embedded.end(), top.begin(), top.end());
    embedded.insert(embedded.end(), rows.begin(), rows.end());
  }
  expect_close(values(encoder.forward(x, {})), embedded, 2e-6);
  expect_close(values(encoder.forward(x, training())), trained, 2e-6);

  const auto rejected = [&](const EncoderOptions& other) {
    return rejected_parameter([&] { embedding_size(other, input); });
  };
  EncoderOptions wrong = options;
  wrong.blocks.pop_back();
  EXPECT_EQ(rejected(wrong), "pooling");
  wrong = options;
  wrong.dense.push_back({.units = 2});
  EXPECT_EQ(rejected(wrong), "pooling");
  wrong = options;
  wrong.l2_normalize = true;
  EXPECT_EQ(rejected(wrong), "pooling");
}

TEST(Encoder, TakesAnyNumberOfFramesUnlessItFlattens) {
  const InputShape input{.height = 12, .width = 12};
  for (const auto& [word, pooling] : kMapPoolings) {
    Encoder encoder({.blocks = {kBlock, kBlock}, .pooling = pooling, .dense = {{.units = 3}}}, input, generator(35));
    if (pooling == MapPooling::kFlatten) {
      try {
        encoder.forward(noise_tensor({2, 12, 13}, 36), {});
        FAIL() << "no error";
      } catch (const ParameterError& error) {
        EXPECT_EQ(std::string(error.what()),
                  "spectrograms: got shape (2, 12, 13); accepted: (clips, 12, 12): an encoder that flattens its last "
                  "map takes one number of frames, one that pools it over time any");
      }
      continue;
    }
    for (const int64_t width : {10, 11, 12, 40})
      EXPECT_EQ(encoder.forward(noise_tensor({2, 12, width}, 37), {}).sizes(), at::IntArrayRef({2, 3})) << word;
    // Nine frames are 3 after the first block, which leaves the second's pool none.
    EXPECT_EQ(rejected_parameter([&] { encoder.forward(noise_tensor({2, 12, 9}, 38), {}); }), "encoder") << word;
    for (const at::Tensor& other :
         {noise_tensor({2, 13, 12}, 39), noise_tensor({2, 2, 12, 12}, 39), noise_tensor({12, 12}, 39)})
      EXPECT_EQ(rejected_parameter([&] { encoder.forward(other, {}); }), "spectrograms") << word;
  }
}

TEST(Encoder, TakesChannels) {
  const InputShape input{.channels = 3, .height = 12, .width = 10};
  Encoder encoder({.blocks = {kBlock}, .dense = {{.units = 2}}}, input, generator(40));
  EXPECT_EQ(named(encoder.parameters(), "input_norm.weight").numel(), 3);
  EXPECT_EQ(named(encoder.parameters(), "block1.conv.weight").sizes(), at::IntArrayRef({4, 3, 3, 3}));
  EXPECT_EQ(encoder.forward(noise_tensor({2, 3, 12, 10}, 41), {}).sizes(), at::IntArrayRef({2, 2}));
  EXPECT_EQ(rejected_parameter([&] { encoder.forward(noise_tensor({3, 12, 10}, 41), {}); }), "spectrograms");

  // One channel with its axis is the same as without.
  Encoder single({.blocks = {kBlock}, .dense = {{.units = 2}}}, {.height = 12, .width = 10}, generator(42));
  const at::Tensor x = noise_tensor({4, 12, 10}, 43);
  EXPECT_TRUE(at::equal(single.forward(x, {}), single.forward(x.unsqueeze(1), {})));
  // Memory in any order: a view with the axes exchanged holds the same values.
  EXPECT_TRUE(at::equal(single.forward(x.transpose(1, 2).contiguous().transpose(1, 2), {}), single.forward(x, {})));
}

TEST(Encoder, ListsItsLayers) {
  const ConvBlockOptions first{
      .filters = 4, .kernel_size = {3, 5}, .stride = {2, 1}, .padding = Padding::kSame, .pool_size = {2, 3}};
  const ConvBlockOptions second{.filters = 6, .kernel_size = {1, 1}, .batch_norm = false, .pooling = Pooling::kNone};
  const Encoder encoder({.blocks = {first, second},
                         .pooling = MapPooling::kFrequency,
                         .dense = {{.units = 7}, {.units = 2, .batch_norm = false}},
                         .l2_normalize = true},
                        {.channels = 2, .height = 9, .width = 10}, generator(44));
  std::vector<std::string> lines;
  int64_t num_parameters = 0;
  for (const LayerInfo& layer : encoder.layers(at::kCPU)) {
    std::ostringstream line;
    line << layer.name << " " << layer.kind;
    for (const int64_t side : layer.output_shape) line << " " << side;
    line << ": " << layer.num_parameters << ", " << layer.flops;
    lines.push_back(line.str());
    num_parameters += layer.num_parameters;
  }
  // 9 x 10 -> 5 x 10 -> 2 x 3
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "input_norm batch_norm 2 9 10: 4, 360",
                       "block1.conv conv 4 5 10: 124, 12000",  // 2 x 15 weights and a bias a filter
                       "block1.norm batch_norm 4 5 10: 8, 400",
                       "block1.pooling max_pooling 4 2 3: 0, 0",
                       "block2.conv conv 6 2 3: 30, 288",
                       "pooling frequency 12: 0, 0",
                       "dense1 dense 7: 91, 168",
                       "dense1.norm batch_norm 7: 14, 14",
                       "dense2 dense 2: 16, 28",
                       "l2_normalize l2_normalize 2: 0, 0",
                   }));
  EXPECT_EQ(num_parameters, num_values(encoder.parameters()));
}

TEST(Encoder, DropsEmbeddingsInTraining) {
  Encoder encoder({.blocks = {}, .dense = {{.units = 500, .dropout = 0.25}}}, {.height = 2, .width = 4}, generator(23));
  const at::Tensor embeddings = encoder.forward(noise_tensor({20, 2, 4}, 24), training());
  EXPECT_NEAR(embeddings.eq(0).sum().item<double>() / 10000, 0.25, 0.025);  // standard error 0.004
  EXPECT_EQ(encoder.forward(noise_tensor({20, 2, 4}, 24), {}).eq(0).sum().item<int64_t>(), 0);
}

TEST(Encoder, NamesTheBlockForWhichTheInputIsTooSmall) {
  // 12 -> 5 -> 1 -> nothing
  const InputShape input{.height = 12, .width = 100};
  EXPECT_NO_THROW(Encoder({.blocks = {kBlock, kBlock}}, input, generator(0)));
  try {
    Encoder({.blocks = {kBlock, kBlock, kBlock}}, input, generator(0));
    FAIL() << "no error";
  } catch (const ParameterError& error) {
    EXPECT_EQ(error.parameter, "encoder");
    EXPECT_NE(error.received.find("3 blocks on 12 bands x 100 frames"), std::string::npos) << error.what();
    EXPECT_NE(error.accepted.find("block3"), std::string::npos) << error.what();
  }
  EXPECT_EQ(rejected_parameter([] { Encoder({.blocks = {kBlock}}, {.height = 100, .width = 2}, generator(0)); }),
            "encoder");
}

TEST(Encoder, NamesTheOptionThatItRejects) {
  const InputShape input{.height = 20, .width = 20};
  const auto rejected = [&](const EncoderOptions& options) {
    return rejected_parameter([&] { Encoder(options, input, generator(0)); });
  };
  EXPECT_EQ(rejected({.blocks = {}, .dense = {{.units = 0}}}), "dense1.units");
  for (const double rate : {-0.1, 1.0, std::nan("")}) {
    EXPECT_EQ(rejected({.blocks = {}, .dense = {{}, {.dropout = rate}}}), "dense2.dropout");
    EXPECT_EQ(rejected({.blocks = {kBlock, {.dropout = rate}}}), "block2.dropout");
  }
  EXPECT_EQ(rejected({.blocks = {{.filters = 0}}}), "block1.filters");
  EXPECT_EQ(rejected({.blocks = {{.kernel_size = {0, 1}}}}), "block1.kernel_size");
  EXPECT_EQ(rejected({.blocks = {{.stride = {1, 0}}}}), "block1.stride");
  EXPECT_EQ(rejected({.blocks = {{.pool_size = {1, -1}}}}), "block1.pool_size");
  EXPECT_EQ(rejected_parameter([] { Encoder({}, {.channels = 0, .height = 50, .width = 50}, generator(0)); }),
            "input_shape");
}

TEST(Encoder, PollsBetweenTheOperationsOfItsBlocksBothWays) {
  Encoder encoder({.blocks = {kBlock, kBlock}, .dense = {{.units = 2}}}, {.height = 12, .width = 12}, generator(25));
  for (const auto& [name, parameter] : encoder.parameters()) parameter.set_requires_grad(true);
  int num_polls = 0;
  Pass pass = training();
  pass.poll = [&] { ++num_polls; };
  const at::Tensor embeddings = encoder.forward(noise_tensor({3, 12, 12}, 26), pass);
  const int polls_a_block = kBlock.batch_norm ? 3 : 2;  // after convolution, batch norm, and the rest
  EXPECT_EQ(num_polls, 2 * polls_a_block);
  embeddings.sum().backward();
  EXPECT_EQ(num_polls, 4 * polls_a_block);
}

}  // namespace
}  // namespace siamaudio

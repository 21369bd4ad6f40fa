#include "model/encoder.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
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

/// Convolution, batch norm, ReLU, then max pooling: the order of the definition.
std::vector<double> naive_block(ConvBlock& block, const ConvBlockOptions& options, const at::Tensor& x,
                                bool is_training) {
  const auto weight = values(named(block.parameters(), "conv.weight"));
  const auto bias = values(named(block.parameters(), "conv.bias"));
  const auto input = values(x);
  const int64_t clips = x.size(0);
  const int64_t channels = x.size(1);
  const int64_t height = x.size(2);
  const int64_t width = x.size(3);
  const int64_t kernel = options.kernel_size;
  const int64_t rows = height - kernel + 1;
  const int64_t columns = width - kernel + 1;

  Maps maps{clips, options.filters, rows * columns,
            std::vector<double>(static_cast<size_t>(clips * options.filters * rows * columns))};
  for (int64_t n = 0; n < clips; ++n)
    for (int64_t f = 0; f < options.filters; ++f)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) {
          double sum = bias[static_cast<size_t>(f)];
          for (int64_t i = 0; i < channels; ++i)
            for (int64_t dr = 0; dr < kernel; ++dr)
              for (int64_t dc = 0; dc < kernel; ++dc)
                sum += weight[static_cast<size_t>(((f * channels + i) * kernel + dr) * kernel + dc)] *
                       input[static_cast<size_t>(((n * channels + i) * height + r + dr) * width + c + dc)];
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

  const int64_t pool = options.pool_size;
  std::vector<double> pooled;
  for (int64_t n = 0; n < clips; ++n)
    for (int64_t f = 0; f < options.filters; ++f)
      for (int64_t r = 0; r + pool <= rows; r += pool)
        for (int64_t c = 0; c + pool <= columns; c += pool) {
          double largest = 0;  // of the rectified values
          for (int64_t dr = 0; dr < pool; ++dr)
            for (int64_t dc = 0; dc < pool; ++dc) largest = std::max(largest, maps(n, f, (r + dr) * columns + c + dc));
          pooled.push_back(largest);
        }
  return pooled;
}

TEST(ConvBlock, AgreesWithTheDefinition) {
  const at::NoGradGuard no_grad;
  for (const ConvBlockOptions& options :
       {ConvBlockOptions{.filters = 3, .kernel_size = 3, .batch_norm = true, .pool_size = 2, .dropout = 0},
        ConvBlockOptions{.filters = 2, .kernel_size = 2, .batch_norm = false, .pool_size = 3, .dropout = 0},
        ConvBlockOptions{.filters = 1, .kernel_size = 1, .batch_norm = true, .pool_size = 1, .dropout = 0},
        ConvBlockOptions{.filters = 4, .kernel_size = 8, .batch_norm = false, .pool_size = 1, .dropout = 0}}) {
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
    EXPECT_EQ(trained.size(1), options.filters);
    EXPECT_EQ(trained.size(2), output_length(options, 9));
    EXPECT_EQ(trained.size(3), output_length(options, 8));
    // float32 sums of up to 128 products, normalised by variances of about 1
    expect_close(values(trained), naive_block(block, options, x, true), 1e-5, "training");
    const at::Tensor other = noise_tensor({1, 2, 9, 8}, 16);
    expect_close(values(block.forward(other, {})), naive_block(block, options, other, false), 1e-5, "evaluation");
  }
}

TEST(ConvBlock, DropsOnlyInTraining) {
  ConvBlock block({.filters = 50, .kernel_size = 1, .batch_norm = false, .pool_size = 1, .dropout = 0.5}, 1,
                  generator(17));
  named(block.parameters(), "conv.bias").fill_(10);  // nothing is rectified
  const at::Tensor x = noise_tensor({4, 1, 5, 5}, 18);
  EXPECT_EQ(block.forward(x, {}).eq(0).sum().item<int64_t>(), 0);
  EXPECT_NEAR(block.forward(x, training()).eq(0).sum().item<double>() / 5000, 0.5, 0.05);  // standard error 0.007
}

TEST(ConvBlock, CountsItsOutput) {
  for (int64_t kernel_size = 1; kernel_size <= 5; ++kernel_size)
    for (int64_t pool_size = 1; pool_size <= 4; ++pool_size)
      for (int64_t length = 1; length <= 12; ++length) {
        int64_t num_windows = 0;
        for (int64_t start = 0; start + pool_size <= length - kernel_size + 1; start += pool_size) ++num_windows;
        EXPECT_EQ(output_length({.filters = 1, .kernel_size = kernel_size, .pool_size = pool_size}, length),
                  num_windows)
            << kernel_size << ", " << pool_size << ", " << length;
      }
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

const ConvBlockOptions kBlock{.filters = 4, .kernel_size = 3, .pool_size = 2};

TEST(Encoder, GivesEmbeddingsInTheUnitInterval) {
  for (const EncoderOptions& options :
       {EncoderOptions{.blocks = {kBlock, kBlock}, .embedding_size = 7},
        EncoderOptions{.blocks = {}, .embedding_size = 3},
        EncoderOptions{
            .input_batch_norm = false, .blocks = {kBlock}, .embedding_size = 1, .embedding_batch_norm = false}}) {
    Encoder encoder(options, {.height = 12, .width = 17}, generator(19));
    for (const int64_t num_clips : {1, 2, 5}) {
      const at::Tensor embeddings = encoder.forward(noise_tensor({num_clips, 12, 17}, 20), {});
      ASSERT_EQ(embeddings.sizes(), at::IntArrayRef({num_clips, options.embedding_size}));
      EXPECT_GE(embeddings.min().item<float>(), 0);
      EXPECT_LE(embeddings.max().item<float>(), 1);
    }
  }
}

TEST(Encoder, WithoutBlocksIsADenseLayerAndASigmoid) {
  Encoder encoder({.input_batch_norm = false, .blocks = {}, .embedding_size = 3, .embedding_batch_norm = false},
                  {.height = 2, .width = 4}, generator(21));
  const at::Tensor x = noise_tensor({5, 2, 4}, 22);
  const auto weight = values(named(encoder.parameters(), "dense.weight"));
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

TEST(Encoder, DropsEmbeddingsInTraining) {
  Encoder encoder({.blocks = {}, .embedding_size = 500, .embedding_dropout = 0.25}, {.height = 2, .width = 4},
                  generator(23));
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
  EXPECT_EQ(rejected({.blocks = {}, .embedding_size = 0}), "embedding_size");
  for (const double rate : {-0.1, 1.0, std::nan("")}) {
    EXPECT_EQ(rejected({.blocks = {}, .embedding_dropout = rate}), "embedding_dropout");
    EXPECT_EQ(rejected({.blocks = {kBlock, {.dropout = rate}}}), "block2.dropout");
  }
  EXPECT_EQ(rejected({.blocks = {{.filters = 0}}}), "block1.filters");
  EXPECT_EQ(rejected({.blocks = {{.kernel_size = 0}}}), "block1.kernel_size");
  EXPECT_EQ(rejected({.blocks = {{.pool_size = 0}}}), "block1.pool_size");
}

TEST(Encoder, PollsBetweenTheOperationsOfItsBlocksBothWays) {
  Encoder encoder({.blocks = {kBlock, kBlock}, .embedding_size = 2}, {.height = 12, .width = 12}, generator(25));
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

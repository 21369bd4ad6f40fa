#include "model/yamnet.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/errors.h"
#include "expect.h"
#include "model/init.h"
#include "model/siamese.h"
#include "tensors.h"

namespace siamaudio {
namespace {

const Pass kPass{};

/// He-normal-like weights and visible biases, so that every layer matters for the output.
void fill(const NamedTensors& weights, uint64_t seed) {
  for (const auto& [name, tensor] : weights) {
    const double scale = tensor.dim() == 1 ? 0.1 : std::sqrt(6.0 / static_cast<double>(tensor[0].numel()));
    tensor.copy_(noise_tensor(tensor.sizes(), ++seed) * scale);
  }
}

/// One clip's map, channel by channel, in double.
struct Map {
  int64_t channels;
  int64_t bands;
  int64_t frames;
  std::vector<double> data;

  double at(int64_t c, int64_t b, int64_t f) const {
    if (b < 0 || f < 0 || b >= bands || f >= frames) return 0;
    return data[static_cast<size_t>((c * bands + b) * frames + f)];
  }
};

/// TensorFlow's SAME convolution with bias and ReLU, from its definition: ceil(side / stride) positions, and of the
/// zeros that they need, the odd one at the end.
Map naive_convolution(const Map& x, const at::Tensor& weight, const at::Tensor& bias, int64_t stride) {
  const int64_t kernel = weight.size(2);
  const bool is_depthwise = weight.size(1) == 1 && x.channels > 1;
  const auto before = [&](int64_t side) {
    const int64_t count = (side + stride - 1) / stride;
    return std::max<int64_t>(0, (count - 1) * stride + kernel - side) / 2;
  };
  const auto w = values(weight);
  const auto b = values(bias);
  Map y{.channels = weight.size(0),
        .bands = (x.bands + stride - 1) / stride,
        .frames = (x.frames + stride - 1) / stride,
        .data = {}};
  for (int64_t out = 0; out < y.channels; ++out)
    for (int64_t band = 0; band < y.bands; ++band)
      for (int64_t frame = 0; frame < y.frames; ++frame) {
        double sum = b[static_cast<size_t>(out)];
        for (int64_t in = 0; in < weight.size(1); ++in)
          for (int64_t i = 0; i < kernel; ++i)
            for (int64_t j = 0; j < kernel; ++j)
              sum += w[static_cast<size_t>(((out * weight.size(1) + in) * kernel + i) * kernel + j)] *
                     x.at(is_depthwise ? out : in, band * stride - before(x.bands) + i,
                          frame * stride - before(x.frames) + j);
        y.data.push_back(std::max(0.0, sum));
      }
  return y;
}

TEST(YamnetBody, IsItsConvolutionsOneAfterTheOther) {
  const YamnetBody body(make_generator(at::kCPU, 1));
  const NamedTensors weights = body.weights();
  ASSERT_EQ(weights.size(), 54u);
  fill(weights, 7);
  const at::Tensor patch = noise_tensor({1, 64, 96}, 2);

  Map x{.channels = 1, .bands = 64, .frames = 96, .data = values(patch)};
  for (size_t i = 0; i < weights.size(); i += 2) {
    const std::string& name = weights[i].first;
    const bool halves = name == "layer1.conv.weight" || name == "layer3.depthwise_conv.weight" ||
                        name == "layer5.depthwise_conv.weight" || name == "layer7.depthwise_conv.weight" ||
                        name == "layer13.depthwise_conv.weight";
    x = naive_convolution(x, weights[i].second, weights[i + 1].second, halves ? 2 : 1);
  }
  ASSERT_EQ(x.channels, kYamnetSize);
  ASSERT_EQ(x.bands * x.frames, 6);
  std::vector<double> means;
  for (int64_t c = 0; c < x.channels; ++c) {
    double sum = 0;
    for (int64_t position = 0; position < 6; ++position) sum += x.at(c, position / 3, position % 3);
    means.push_back(sum / 6);
  }
  const double largest = *std::max_element(means.begin(), means.end());
  ASSERT_GT(largest, 0.01);
  const at::Tensor embedding = body.forward(patch, kPass);
  expect_close(values(embedding), means, 1e-4 * largest);
}

TEST(YamnetBody, HasThePublishedNumberOfParameters) {
  const Yamnet yamnet(521);
  int64_t count = 0;
  for (const auto& [name, tensor] : yamnet.weights()) count += tensor.numel();
  EXPECT_EQ(count, 3'729'481);
}

TEST(Yamnet, EmbedsEachPatchByItself) {
  Yamnet yamnet(3);
  fill(yamnet.weights(), 3);
  const YamnetBody reference(make_generator(at::kCPU, 0));
  const NamedTensors own = yamnet.weights();
  for (const auto& [name, tensor] : reference.weights()) tensor.copy_(named(own, name));
  // More patches in all, and in a clip, than are embedded at once; and a rest of frames that no patch has.
  for (const auto& [num_clips, num_patches] : {std::pair<int64_t, int64_t>{9, 2}, {2, 18}}) {
    const at::Tensor spectrograms = noise_tensor({num_clips, 64, 96 + 48 * (num_patches - 1) + 47}, 5);
    const at::Tensor embeddings = yamnet.embed(spectrograms, {});
    ASSERT_EQ(embeddings.sizes(), at::IntArrayRef({num_clips, num_patches, 1024}));
    for (int64_t clip : {int64_t{0}, num_clips - 1})
      for (int64_t patch : {int64_t{0}, num_patches - 1}) {
        const at::Tensor alone = reference.forward(spectrograms[clip].narrow(1, 48 * patch, 96).unsqueeze(0), kPass);
        expect_close(values(embeddings[clip][patch]), values(alone[0]), 1e-5);
      }
  }
}

TEST(Yamnet, ScoresAreSigmoidsOfWeightedSums) {
  Yamnet yamnet(4);
  fill(yamnet.weights(), 3);
  const at::Tensor embeddings = noise_tensor({3, 1024}, 6);
  const auto x = values(embeddings);
  const auto weight = values(named(yamnet.weights(), "dense.weight"));
  const auto bias = values(named(yamnet.weights(), "dense.bias"));
  std::vector<double> expected;
  for (size_t n = 0; n < 3; ++n)
    for (size_t c = 0; c < 4; ++c) {
      double logit = bias[c];
      for (size_t i = 0; i < 1024; ++i) logit += weight[c * 1024 + i] * x[n * 1024 + i];
      expected.push_back(1 / (1 + std::exp(-logit)));
    }
  expect_close(values(yamnet.scores(embeddings)), expected, 1e-5);
}

TEST(Yamnet, RefusesOtherShapes) {
  const Yamnet yamnet(2);
  EXPECT_THROW(yamnet.embed(noise_tensor({1, 64, 95}, 1), {}), ParameterError);
  EXPECT_THROW(yamnet.embed(noise_tensor({1, 63, 96}, 1), {}), ParameterError);
  EXPECT_THROW(yamnet.embed(noise_tensor({64, 96}, 1), {}), ParameterError);
  EXPECT_THROW(yamnet.scores(noise_tensor({2, 1023}, 1)), ParameterError);
  EXPECT_THROW(Yamnet(0), ParameterError);
  EXPECT_EQ(yamnet.embed(noise_tensor({0, 64, 96}, 1), {}).sizes(), at::IntArrayRef({0, 1, 1024}));
}

TEST(Yamnet, CanBeInterrupted) {
  const Yamnet yamnet(2);
  int64_t num_polls = 0;
  const Poll poll = [&] {
    if (++num_polls == 30) throw Interrupted();
  };
  EXPECT_THROW(yamnet.embed(noise_tensor({40, 64, 96}, 1), poll), Interrupted);
}

// ---- As the encoder of a siamese network

constexpr InputShape kInput{.height = 64, .width = 144};

SiameseOptions options(bool trainable) {
  return {.encoder = YamnetEncoderOptions{.trainable = trainable, .dense = {{.units = 6, .batch_norm = false}}},
          .distance = Distance::kCosine,
          .head = Head::kNone};
}

TEST(YamnetEncoder, IsTheMeanOverPatchesAndDenseLayers) {
  for (const bool trainable : {false, true}) {
    Siamese network(options(trainable), kInput, 1);
    fill(network.weights(), 2);
    const YamnetBody body(make_generator(at::kCPU, 0));
    const NamedTensors own = network.weights();
    for (const auto& [name, tensor] : body.weights()) tensor.copy_(named(own, "encoder.yamnet." + name));
    const at::Tensor spectrograms = noise_tensor({3, 1, 64, 144}, 3);
    const at::Tensor first = body.forward(spectrograms.select(1, 0).narrow(2, 0, 96), kPass);
    const at::Tensor second = body.forward(spectrograms.select(1, 0).narrow(2, 48, 96), kPass);
    const at::Tensor mean = (first + second) / 2;
    const at::Tensor expected =
        (mean.matmul(named(own, "encoder.dense1.weight").t()) + named(own, "encoder.dense1.bias")).sigmoid();
    expect_close(values(network.embed(spectrograms, {})), values(expected), 1e-5);
    expect_close(values(network.embed(spectrograms.squeeze(1), {})), values(expected), 1e-5, "without channels");
    const auto frozen = network.frozen_output(spectrograms, {});
    ASSERT_EQ(frozen.has_value(), !trainable);
    if (!frozen) continue;
    ASSERT_EQ(frozen->sizes(), at::IntArrayRef({3, 1, 1, 1024}));
    expect_close(values(network.embed(*frozen, {})), values(expected), 1e-5, "from what is frozen");
  }
}

TEST(YamnetEncoder, HasGradientsWhereItIsTrained) {
  for (const bool trainable : {false, true}) {
    Siamese network(options(trainable), kInput, 1);
    fill(network.weights(), 2);
    EXPECT_EQ(network.parameters().size(), trainable ? 56u : 2u);
    EXPECT_EQ(network.weights().size(), 56u);
    for (const auto& [name, tensor] : network.parameters()) tensor.set_requires_grad(true);
    const Pass training{.is_training = true, .dropout_generator = make_generator(at::kCPU, 0)};
    network.encode(noise_tensor({2, 1, 64, 144}, 3), training).sum().backward();
    for (const auto& [name, tensor] : network.parameters())
      EXPECT_TRUE(tensor.grad().defined() && tensor.grad().abs().max().item<float>() > 0) << name;
    EXPECT_EQ(named(network.weights(), "encoder.yamnet.layer1.conv.weight").grad().defined(), trainable);
  }
}

TEST(YamnetEncoder, RefusesOtherInputs) {
  for (const InputShape& input : {InputShape{.height = 64, .width = 95}, InputShape{.height = 128, .width = 144},
                                  InputShape{.channels = 2, .height = 64, .width = 144}})
    EXPECT_THROW(Siamese(options(false), input, 0), ParameterError);
  Siamese network(options(false), kInput, 0);
  EXPECT_THROW(network.embed(noise_tensor({1, 64, 90}, 1), {}), ParameterError);
  EXPECT_THROW(network.embed(noise_tensor({1, 2, 64, 144}, 1), {}), ParameterError);
}

}  // namespace
}  // namespace siamaudio

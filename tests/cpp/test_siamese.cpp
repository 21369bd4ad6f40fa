#include "model/siamese.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "expect.h"
#include "model/init.h"
#include "tensors.h"

namespace siamaudio {
namespace {

constexpr InputShape kInput{.height = 12, .width = 10};

SiameseOptions small_options(Distance distance = Distance::kSquared, int64_t embedding_size = 8) {
  return {.encoder =
              EncoderOptions{.blocks = {{.filters = 4, .kernel_size = {3, 3}}}, .dense = {{.units = embedding_size}}},
          .distance = distance};
}

/// sigmoid(w · d(a, b) + b), one pair after another, in double.
std::vector<double> naive_similarity(const Siamese& network, const at::Tensor& a, const at::Tensor& b,
                                     Distance distance) {
  const auto weight = values(named(network.parameters(), "head.weight"));
  const double bias = values(named(network.parameters(), "head.bias"))[0];
  const auto left = values(a);
  const auto right = values(b);
  const size_t dim = weight.size();
  std::vector<double> all;
  for (size_t i = 0; i < left.size() / dim; ++i)
    for (size_t j = 0; j < right.size() / dim; ++j) {
      double logit = bias;
      for (size_t k = 0; k < dim; ++k) {
        const double difference = left[i * dim + k] - right[j * dim + k];
        logit += weight[k] * (distance == Distance::kAbsolute ? std::abs(difference) : difference * difference);
      }
      all.push_back(1 / (1 + std::exp(-logit)));
    }
  return all;
}

TEST(Siamese, SimilarityIsTheSigmoidOfTheHeadOnTheDistance) {
  for (const Distance distance : {Distance::kAbsolute, Distance::kSquared}) {
    const Siamese network(small_options(distance), kInput, 1);
    named(network.parameters(), "head.bias").fill_(0.25);
    const at::Tensor a = noise_tensor({7, 8}, 2);
    const at::Tensor b = noise_tensor({5, 8}, 3);
    const at::Tensor similarity = network.similarity(a, b, {});
    ASSERT_EQ(similarity.sizes(), at::IntArrayRef({7, 5}));
    expect_close(values(similarity), naive_similarity(network, a, b, distance), 1e-6);  // float32 probabilities
    expect_close(values(network.similarity(b, a, {}).t()), values(similarity), 1e-6, "exchanged");
  }
}

/// Without a head.
Siamese metric_network(Distance distance, uint64_t seed = 1) {
  SiameseOptions options = small_options(distance);
  options.head = Head::kNone;
  return {options, kInput, seed};
}

TEST(Siamese, WithoutAHeadSimilarityIsTheMetric) {
  const at::Tensor a = noise_tensor({7, 8}, 2);
  const at::Tensor b = noise_tensor({5, 8}, 3);
  const Siamese cosine = metric_network(Distance::kCosine);
  EXPECT_FALSE(cosine.has_head());
  EXPECT_TRUE(at::equal(cosine.similarity(a, b, {}), metric_similarity(a, b, Metric::kCosine)));
  const Siamese euclidean = metric_network(Distance::kEuclidean);
  EXPECT_TRUE(at::equal(euclidean.similarity(a, b, {}), metric_similarity(a, b, Metric::kEuclidean)));
  expect_close(values(euclidean.pair_distances(a.narrow(0, 0, 5), b)),
               values(euclidean.similarity(a, b, {}).diagonal().neg()), 1e-6);
  for (const auto& [name, tensor] : cosine.weights()) EXPECT_FALSE(name.starts_with("head"));
  EXPECT_EQ(rejected_parameter([&] { cosine.pair_logits(a, a); }), "head");
  EXPECT_EQ(rejected_parameter([&] { Siamese(small_options(), kInput, 1).pair_distances(a, a); }), "head");
}

TEST(Siamese, AHeadCanWeighAScalarDistance) {
  const Siamese network(small_options(Distance::kEuclidean), kInput, 1);
  const at::Tensor a = noise_tensor({7, 8}, 2);
  const at::Tensor b = noise_tensor({7, 8}, 3);
  const double weight = named(network.parameters(), "head.weight").item<double>();  // (1, 1)
  auto expected = values(embedding_distance(a, b, Distance::kEuclidean));
  for (double& value : expected) value *= weight;
  expect_close(values(network.pair_logits(a, b)), expected, 1e-6);
  EXPECT_EQ(network.similarity(a, b, {}).sizes(), at::IntArrayRef({7, 7}));
}

TEST(Siamese, WithoutAHeadTheDistanceIsOneNumber) {
  for (const Distance distance : {Distance::kAbsolute, Distance::kSquared, Distance::kProduct})
    EXPECT_EQ(rejected_parameter([&] { metric_network(distance); }), "distance");
  EXPECT_EQ(parse_head("dense"), Head::kDense);
  EXPECT_EQ(parse_head("none"), Head::kNone);
  EXPECT_EQ(rejected_parameter([] { parse_head("linear"); }), "head");
}

TEST(Siamese, SimilarityInBlocksIsComplete) {
  // Blocks of 2^21 / 2048 = 1024 rows: 2500 rows are two of them and a rest.
  for (const Distance distance : {Distance::kAbsolute, Distance::kSquared}) {
    const Siamese network(small_options(distance), kInput, 4);
    const at::Tensor b = noise_tensor({2048, 8}, 5);
    for (const int64_t rows : {1023, 1024, 1025, 2500}) {
      const at::Tensor a = noise_tensor({rows, 8}, 6);
      int num_polls = 0;
      expect_close(values(network.similarity(a, b, [&] { ++num_polls; })), naive_similarity(network, a, b, distance),
                   1e-6);
      EXPECT_EQ(num_polls, (rows + 1023) / 1024);
    }
  }
}

TEST(Siamese, SimilarityIsThatOfThePairs) {
  for (const Distance distance :
       {Distance::kAbsolute, Distance::kSquared, Distance::kProduct, Distance::kEuclidean, Distance::kCosine}) {
    const Siamese network(small_options(distance, 100), kInput, 1);
    named(network.parameters(), "head.bias").fill_(-0.5);
    const at::Tensor a = noise_tensor({30, 100}, 2);
    at::Tensor b = noise_tensor({20, 100}, 3);
    b.narrow(0, 0, 5).copy_(a.narrow(0, 0, 5));  // equal embeddings among them
    const at::Tensor pairs = network.pair_logits(a.unsqueeze(1), b.unsqueeze(0)).sigmoid();
    expect_close(values(network.similarity(a, b, {})), values(pairs), 2e-6);
    // Equal pairs get equal numbers.
    const at::Tensor twice = network.similarity(at::cat({a, a}), at::cat({b, b}), {});
    EXPECT_TRUE(at::equal(twice.narrow(0, 0, 30), twice.narrow(0, 30, 30)));
    EXPECT_TRUE(at::equal(twice.narrow(1, 0, 20), twice.narrow(1, 20, 20)));
    for (const double weight : {-1.0, 0.0, 1.0}) {  // no weights of one of the signs
      named(network.parameters(), "head.weight").fill_(weight);
      const at::Tensor expected = network.pair_logits(a.unsqueeze(1), b.unsqueeze(0)).sigmoid();
      expect_close(values(network.similarity(a, b, {})), values(expected), 2e-6);
    }
  }
}

TEST(Siamese, SimilarityOfNothingIsEmpty) {
  const Siamese network(small_options(), kInput, 1);
  EXPECT_EQ(network.similarity(noise_tensor({0, 8}, 1), noise_tensor({5, 8}, 1), {}).sizes(), at::IntArrayRef({0, 5}));
  EXPECT_EQ(network.similarity(noise_tensor({5, 8}, 1), noise_tensor({0, 8}, 1), {}).sizes(), at::IntArrayRef({5, 0}));
}

TEST(Siamese, EmbedsAsItEncodesInBatchesOfAnySize) {
  Siamese network(small_options(), kInput, 7);
  const at::NoGradGuard no_grad;
  // Statistics of its own, so that an encoding in training mode would differ.
  network.encode(noise_tensor({10, 12, 10}, 8) * 2 + 1,
                 {.is_training = true, .dropout_generator = make_generator(at::kCPU, 0), .poll = {}});
  const at::Tensor clips = noise_tensor({33, 12, 10}, 9);
  const NamedTensors before = copies(network.weights());
  const at::Tensor whole = network.embed(clips, {});
  ASSERT_EQ(whole.sizes(), at::IntArrayRef({33, 8}));
  EXPECT_TRUE(same_bits(network.weights(), before));
  for (const int64_t size : {1, 15, 16, 17, 33}) {
    const at::Tensor part = clips.narrow(0, 0, size);
    const auto expected = values(network.encode(part, {}));
    // Other batch sizes take other kernels: the sums' order changes, by a few float32 ulps of values up to 1.
    expect_close(values(network.embed(part, {})), expected, 1e-5, std::to_string(size));
    expect_close(values(whole.narrow(0, 0, size)), expected, 1e-5, std::to_string(size) + " of 33");
  }
  EXPECT_EQ(network.embed(clips.narrow(0, 0, 0), {}).sizes(), at::IntArrayRef({0, 8}));
}

TEST(Siamese, InferenceCanBeInterrupted) {
  Siamese network(small_options(), kInput, 7);
  const Poll stop = [] { throw Interrupted(); };
  EXPECT_THROW(network.embed(noise_tensor({3, 12, 10}, 1), stop), Interrupted);
  EXPECT_THROW(network.similarity(noise_tensor({3, 8}, 1), noise_tensor({3, 8}, 1), stop), Interrupted);
}

TEST(Siamese, StartsFromItsSeed) {
  const Siamese a(small_options(), kInput, 1);
  EXPECT_TRUE(same_bits(a.weights(), Siamese(small_options(), kInput, 1).weights()));
  EXPECT_FALSE(same_bits(a.weights(), Siamese(small_options(), kInput, 2).weights()));
  EXPECT_TRUE(a.device().is_cpu());
  EXPECT_EQ(a.input_shape().width, 10);
  EXPECT_EQ(a.embedding_size(), 8);
}

TEST(Siamese, NamesItsWeightsByTheirPlace) {
  const Siamese network(small_options(), kInput, 1);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : network.weights()) names.push_back(name);
  const std::vector<std::string> expected{"encoder.input_norm.weight",
                                          "encoder.input_norm.bias",
                                          "encoder.block1.conv.weight",
                                          "encoder.block1.conv.bias",
                                          "encoder.block1.norm.weight",
                                          "encoder.block1.norm.bias",
                                          "encoder.dense1.weight",
                                          "encoder.dense1.bias",
                                          "encoder.dense1.norm.weight",
                                          "encoder.dense1.norm.bias",
                                          "head.weight",
                                          "head.bias",
                                          "encoder.input_norm.running_mean",
                                          "encoder.input_norm.running_variance",
                                          "encoder.input_norm.num_updates",
                                          "encoder.block1.norm.running_mean",
                                          "encoder.block1.norm.running_variance",
                                          "encoder.block1.norm.num_updates",
                                          "encoder.dense1.norm.running_mean",
                                          "encoder.dense1.norm.running_variance",
                                          "encoder.dense1.norm.num_updates"};
  EXPECT_EQ(names, expected);
  EXPECT_EQ(network.parameters().size(), 12U);
}

TEST(Siamese, HoldsAClassifier) {
  Siamese network(small_options(), kInput, 1);
  const at::Tensor embeddings = noise_tensor({3, 8}, 2);
  EXPECT_EQ(rejected_parameter([&] { network.classifier_logits(embeddings); }), "classifier");
  const NamedTensors before = copies(network.weights());

  network.add_classifier(5, ClassifierKind::kLinear);
  EXPECT_EQ(network.parameters().size(), 14U);
  EXPECT_EQ(network.weights().size(), before.size() + 2);
  EXPECT_EQ(named(network.parameters(), "classifier.weight").sizes(), at::IntArrayRef({5, 8}));
  EXPECT_EQ(named(network.parameters(), "classifier.bias").sizes(), at::IntArrayRef({5}));
  EXPECT_EQ(network.classifier_logits(embeddings).sizes(), at::IntArrayRef({3, 5}));
  for (const auto& [name, tensor] : before) EXPECT_TRUE(at::equal(named(network.weights(), name), tensor)) << name;

  // The same seed gives the same classifier, and another one when it is made anew.
  Siamese twin(small_options(), kInput, 1);
  twin.add_classifier(5, ClassifierKind::kLinear);
  const at::Tensor first = named(twin.parameters(), "classifier.weight");
  EXPECT_TRUE(at::equal(named(network.parameters(), "classifier.weight"), first));
  twin.add_classifier(5, ClassifierKind::kCosine);
  EXPECT_FALSE(at::equal(named(twin.parameters(), "classifier.weight"), first));
  EXPECT_EQ(twin.parameters().size(), 13U);
  EXPECT_EQ(rejected_parameter([&] { twin.add_classifier(0, ClassifierKind::kLinear); }), "num_classes");
}

TEST(Siamese, CalibratesWhatItEmbedsButNotWhatItEncodes) {
  for (const Distance distance : {Distance::kSquared, Distance::kEuclidean}) {
    Siamese network(small_options(distance), kInput, 1);
    const at::Tensor clips = noise_tensor({5, 12, 10}, 2);
    const at::Tensor plain = network.embed(clips, {});
    const at::Tensor mean = noise_tensor({8}, 3);
    const at::Tensor matrix = noise_tensor({8, 8}, 4);
    const at::Tensor power = make_tensor({0.5}, {});
    const at::Tensor shifts = at::zeros({1, 2}, at::kFloat);
    network.set_calibration({.power = power, .mean = mean, .matrix = matrix, .shifts = shifts});
    EXPECT_TRUE(network.is_calibrated());
    EXPECT_TRUE(at::equal(network.encode(clips, {}), plain));
    const at::Tensor calibrated = network.embed(clips, {});
    expect_close(values(calibrated),
                 values(calibrate(plain, {.power = power, .mean = mean, .matrix = matrix, .shifts = shifts})), 1e-6);
    EXPECT_TRUE(at::equal(network.similarity(calibrated, calibrated, {}),
                          metric_similarity(calibrated, calibrated, Metric::kCosine)));

    EXPECT_TRUE(at::equal(named(network.weights(), "calibration.mean"), mean));
    EXPECT_TRUE(at::equal(named(network.weights(), "calibration.matrix"), matrix));
    mean.fill_(42);  // the caller's memory is his own
    EXPECT_TRUE(at::equal(network.embed(clips, {}), calibrated));
    const auto rejected = [&](const Calibration& other) {
      return rejected_parameter([&] { network.set_calibration(other); });
    };
    EXPECT_EQ(rejected({.power = power, .mean = mean, .matrix = matrix.narrow(0, 0, 7), .shifts = shifts}),
              "calibration");
    EXPECT_EQ(rejected({.power = power, .mean = matrix, .matrix = matrix, .shifts = shifts}), "calibration");
    EXPECT_EQ(rejected({.power = mean, .mean = mean, .matrix = matrix, .shifts = shifts}), "calibration");
    EXPECT_EQ(rejected({.power = power, .mean = mean, .matrix = matrix, .shifts = power}), "calibration");
    EXPECT_EQ(rejected({.power = power, .mean = mean, .matrix = matrix, .shifts = at::zeros({0, 2})}), "calibration");

    network.clear_calibration();
    EXPECT_TRUE(at::equal(network.embed(clips, {}), plain));
    EXPECT_EQ(network.weights().size(), 21U);
  }
}

TEST(Siamese, EmbedsTheMeanOverShifts) {
  Siamese network(small_options(Distance::kEuclidean), kInput, 1);
  const at::Tensor clips = noise_tensor({11, 12, 10}, 2);
  const std::vector<Shift> shifts{{}, {.bands = 1, .frames = 3}, {.bands = -2, .frames = 0}};
  at::Tensor expected = at::zeros({11, 8}, at::kDouble);
  for (const Shift& shift : shifts) expected = expected + network.embed(shifted(clips, shift), {}).to(at::kDouble) / 3;
  const at::Tensor mean = network.embed_shifted(clips, shifts, {});
  expect_close(values(mean), values(expected), 1e-6);
  EXPECT_TRUE(at::equal(network.embed_shifted(clips, std::array{Shift{}}, {}), network.embed(clips, {})));
  EXPECT_EQ(rejected_parameter([&] { network.embed_shifted(clips, {}, {}); }), "shifts");

  const Calibration calibration{.power = make_tensor({0.5}, {}),
                                .mean = noise_tensor({8}, 3),
                                .matrix = noise_tensor({8, 8}, 4),
                                .shifts = make_tensor({0, 0, 1, 3, -2, 0}, {3, 2})};
  network.set_calibration(calibration);
  expect_close(values(network.embed(clips, {})), values(calibrate(mean, calibration)), 1e-6);
  EXPECT_TRUE(at::equal(named(network.weights(), "calibration.shifts"), calibration.shifts));
}

TEST(Siamese, ListsAllItsLayers) {
  Siamese network(small_options(), kInput, 1);
  network.add_classifier(3, ClassifierKind::kCosine);
  int64_t num_parameters = 0;
  std::vector<std::string> names;
  for (const LayerInfo& layer : network.layers()) {
    names.push_back(layer.name);
    num_parameters += layer.num_parameters;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"encoder.input_norm", "encoder.block1.conv", "encoder.block1.norm",
                                             "encoder.block1.pooling", "encoder.pooling", "encoder.dense1",
                                             "encoder.dense1.norm", "head", "classifier"}));
  int64_t expected = 0;
  for (const auto& [name, parameter] : network.parameters()) expected += parameter.numel();
  EXPECT_EQ(num_parameters, expected);
}

TEST(Siamese, TakesOverWeights) {
  Siamese source(small_options(), kInput, 1);
  const at::NoGradGuard no_grad;
  source.encode(noise_tensor({10, 12, 10}, 8),
                {.is_training = true, .dropout_generator = make_generator(at::kCPU, 0), .poll = {}});
  Siamese target(small_options(), kInput, 2);
  NamedTensors reversed = copies(source.weights());
  std::ranges::reverse(reversed);  // names decide, not places
  target.set_weights(reversed);
  EXPECT_TRUE(same_bits(target.weights(), source.weights()));
  const at::Tensor clips = noise_tensor({3, 12, 10}, 9);
  EXPECT_TRUE(at::equal(target.embed(clips, {}), source.embed(clips, {})));
  // Copies: what happens to the source afterwards does not reach the target.
  named(source.parameters(), "head.bias").fill_(42);
  EXPECT_NE(named(target.parameters(), "head.bias").item<float>(), 42);
}

TEST(Siamese, RefusesOtherWeightsAndKeepsItsOwn) {
  Siamese network(small_options(), kInput, 1);
  const NamedTensors own = copies(network.weights());
  const NamedTensors others = copies(Siamese(small_options(), kInput, 2).weights());
  const auto message = [&](const NamedTensors& weights) -> std::string {
    try {
      network.set_weights(weights);
    } catch (const ParameterError& error) {
      EXPECT_EQ(error.parameter, "weights");
      return error.what();
    }
    return "(accepted)";
  };

  NamedTensors missing = others;
  missing.erase(missing.begin() + 11);
  EXPECT_NE(message(missing).find("'head.bias'"), std::string::npos);
  NamedTensors reshaped = others;
  reshaped[10].second = at::Tensor(noise_tensor({8}, 1));
  EXPECT_NE(message(reshaped).find("'head.weight'"), std::string::npos);
  NamedTensors more = others;
  more.emplace_back("another", noise_tensor({1}, 1));
  EXPECT_NE(message(more).find("22 arrays"), std::string::npos);
  EXPECT_NE(message({}), "(accepted)");
  EXPECT_TRUE(same_bits(network.weights(), own));
}

}  // namespace
}  // namespace siamaudio

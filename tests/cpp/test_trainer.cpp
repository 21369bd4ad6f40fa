#include "train/trainer.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "expect.h"
#include "model/device.h"
#include "score/oneshot.h"
#include "tensors.h"

namespace siamaudio {
namespace {

constexpr InputShape kInput{.channels = 1, .height = 12, .width = 12};

const SamplerOptions kInBatch = BalancedOptions{.batch_size = 16};
const SamplerOptions kTwoSided = HonkaPairsOptions{.batch_size = 16};
const SamplerOptions kSamplers[] = {kInBatch, kTwoSided};

bool is_two_sided(const SamplerOptions& sampler) { return std::holds_alternative<HonkaPairsOptions>(sampler); }

/// Each class a pattern of its own under noise; other seeds draw other clips of the same classes.
LabelledFeatures patterns(int64_t num_classes, int64_t clips_per_class, uint64_t seed, double noise_level = 0.7) {
  LabelledFeatures features{.spectrograms = noise_tensor({num_classes * clips_per_class, 12, 12}, seed) * noise_level,
                            .labels = {},
                            .num_classes = num_classes};
  for (int64_t clip = 0; clip < num_classes * clips_per_class; ++clip) {
    const int64_t label = clip % num_classes;
    features.labels.push_back(label);
    features.spectrograms[clip] += noise_tensor({12, 12}, 1000 + static_cast<uint64_t>(label));
  }
  return features;
}

EncoderOptions encoder(bool is_plain) {
  ConvBlockOptions block;
  block.filters = 4;
  block.kernel_size = {.height = 3, .width = 3};
  block.batch_norm = !is_plain;
  block.dropout = is_plain ? 0 : 0.1;
  DenseOptions dense;
  dense.units = is_plain ? 8 : 16;
  dense.batch_norm = !is_plain;
  dense.dropout = block.dropout;
  EncoderOptions options;
  options.input_batch_norm = !is_plain;
  options.blocks = {block};
  options.dense = {dense};
  return options;
}

Siamese small_network(uint64_t seed = 1) {
  SiameseOptions options;
  options.encoder = encoder(false);
  return {options, kInput, seed};
}

/// Without anything that makes training differ from evaluation.
Siamese plain_network(uint64_t seed = 1) {
  SiameseOptions options;
  options.encoder = encoder(true);
  return {options, kInput, seed};
}

Siamese headless_network(Distance distance = Distance::kEuclidean) {
  SiameseOptions options;
  options.encoder = encoder(false);
  options.distance = distance;
  options.head = Head::kNone;
  return {options, kInput, 1};
}

FitOptions short_fit(const SamplerOptions& sampler, int64_t epochs) {
  FitOptions options;
  options.losses = {BinaryCrossentropyOptions{}};
  options.sampler = sampler;
  options.optimizer.lr = 3e-3;
  options.epochs = epochs;
  options.patience = 0;
  options.seed = 3;
  return options;
}

/// What a fit reported, and the network's weights at the end of each epoch.
struct Log {
  std::vector<EpochReport> epochs;
  std::vector<NamedTensors> weights;

  FitListener listener(const Siamese& network) {
    FitListener listener;
    listener.on_epoch = [this, &network](const EpochReport& report) {
      epochs.push_back(report);
      weights.push_back(copies(network.weights()));
      return true;
    };
    return listener;
  }
};

void expect_at_rest(const Siamese& network) {
  for (const auto& [name, parameter] : network.parameters()) {
    EXPECT_FALSE(parameter.requires_grad()) << name;
    EXPECT_FALSE(parameter.grad().defined()) << name;
  }
}

double oneshot_accuracy(Siamese& network, const LabelledFeatures& features, int64_t ways) {
  const at::Tensor embeddings = network.embed(features.spectrograms, {});
  const auto similarity = values(network.similarity(embeddings, embeddings, {}));
  return exact_oneshot_accuracy(std::vector<float>(similarity.begin(), similarity.end()), features.labels,
                                features.num_classes, ways, 1, {});
}

TEST(Fit, LearnsToTellClassesApart) {
  const auto train = patterns(4, 12, 1);
  const auto validation = patterns(4, 6, 2);
  for (const SamplerOptions& sampler : kSamplers) {
    for (const LossOptions& loss : {LossOptions(BinaryCrossentropyOptions{}), LossOptions(MeanSquaredErrorOptions{})}) {
      Siamese network = small_network();
      Log log;
      FitOptions options = short_fit(sampler, 25);
      options.optimizer.lr = 1e-2;
      options.losses = {loss};
      fit(network, train, &validation, options, log.listener(network));
      ASSERT_EQ(log.epochs.size(), 25U);
      EXPECT_LT(log.epochs.back().loss, 0.8 * log.epochs.front().loss);
      EXPECT_GT(oneshot_accuracy(network, validation, 4), 0.7);  // chance is 0.25
      expect_at_rest(network);
    }
  }
}

TEST(Fit, RepeatsItselfFromTheSameSeedOnly) {
  const auto train = patterns(3, 8, 1);
  for (const SamplerOptions& sampler : kSamplers) {
    const auto run = [&](uint64_t seed) {
      Siamese network = small_network();
      FitOptions options = short_fit(sampler, 3);
      options.seed = seed;
      fit(network, train, nullptr, options, {});
      return copies(network.weights());
    };
    const auto weights = run(5);
    EXPECT_TRUE(same_bits(weights, run(5)));
    EXPECT_FALSE(same_bits(weights, run(6)));
  }
}

TEST(Fit, GivesTheSameBitsWhereverTheClipsAreKept) {
  const auto train = patterns(3, 8, 1);
  for (const SamplerOptions& sampler : kSamplers) {
    const auto run = [&](FeatureMemory memory) {
      Siamese network = small_network();
      FitOptions options = short_fit(sampler, 4);
      options.augment = {TimeShiftOptions{}, NoiseOptions{}};
      options.steps_per_epoch = 3;  // begins and ends within the sampler's epochs
      options.feature_memory = memory;
      fit(network, train, nullptr, options, {});
      return copies(network.weights());
    };
    const auto weights = run(FeatureMemory::kResident);
    EXPECT_TRUE(same_bits(weights, run(FeatureMemory::kFetched)));
    EXPECT_TRUE(same_bits(weights, run(FeatureMemory::kAuto)));
  }
}

TEST(Fit, LearnsTheSameInBfloat16) {
  const auto train = patterns(4, 12, 1);
  const auto validation = patterns(4, 6, 2);
  std::vector<EpochReport> reports[2];
  std::vector<NamedTensors> weights;
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    Siamese network = small_network();
    Log log;
    FitOptions options = short_fit(kTwoSided, 10);
    options.optimizer.lr = 1e-2;
    options.precision = precision;
    fit(network, train, &validation, options, log.listener(network));
    for (const auto& [name, tensor] : network.parameters()) EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
    reports[weights.size()] = log.epochs;
    weights.push_back(copies(network.weights()));
  }
  EXPECT_FALSE(same_bits(weights[0], weights[1]));
  EXPECT_NEAR(reports[1].front().loss, reports[0].front().loss, 0.02);
  EXPECT_LT(reports[1].back().loss, 0.8 * reports[1].front().loss);
  EXPECT_GT(reports[1].back().validation_score, 0.7);  // chance is 0.25
}

TEST(ParsePrecision, TakesWhatTheDeviceHas) {
  EXPECT_EQ(parse_precision("auto", at::kCPU), Precision::kFloat32);
  EXPECT_EQ(parse_precision("float32", at::kCPU), Precision::kFloat32);
  for (const std::string name : {"bf16", "float16", "", "FLOAT32"})
    EXPECT_EQ(rejected_parameter([&] { parse_precision(name, at::kCPU); }), "precision") << name;
}

TEST(Fit, RepeatsItselfOnSeveralThreads) {
  const ThreadCount threads(2);
  const auto train = patterns(3, 4, 1);
  Siamese a = small_network();
  Siamese b = small_network();
  for (Siamese* network : {&a, &b}) fit(*network, train, nullptr, short_fit(kInBatch, 1), {});
  EXPECT_TRUE(same_bits(a.weights(), b.weights()));
}

TEST(Fit, KeepsTheBestEpochAndReportsItsTrueAccuracy) {
  const auto train = patterns(4, 8, 1);
  const auto validation = patterns(4, 5, 2, 1.5);  // hard enough for the accuracy to go up and down
  for (const SamplerOptions& sampler : kSamplers) {
    Siamese network = small_network();
    Log log;
    FitOptions options = short_fit(sampler, 10);
    options.validation_ways = 3;
    const int64_t best_epoch = fit(network, train, &validation, options, log.listener(network));
    ASSERT_EQ(log.epochs.size(), 10U);
    size_t expected = 0;
    for (size_t epoch = 0; epoch < 10; ++epoch) {
      EXPECT_EQ(log.epochs[epoch].epoch, static_cast<int64_t>(epoch));
      Siamese then = small_network();
      then.set_weights(log.weights[epoch]);
      EXPECT_NEAR(log.epochs[epoch].validation_score, oneshot_accuracy(then, validation, 3), 1e-9);
      if (log.epochs[epoch].validation_score > log.epochs[expected].validation_score) expected = epoch;
    }
    EXPECT_EQ(best_epoch, static_cast<int64_t>(expected));
    EXPECT_TRUE(same_bits(network.weights(), log.weights[expected]));
    EXPECT_FALSE(same_bits(network.weights(), log.weights[(expected + 1) % 10]));
  }
}

TEST(Fit, KeepsTheLastEpochWithoutValidation) {
  const auto train = patterns(3, 8, 1);
  Siamese network = small_network();
  Log log;
  FitOptions options = short_fit(kInBatch, 4);
  options.patience = 1;  // means nothing here
  EXPECT_EQ(fit(network, train, nullptr, options, log.listener(network)), 3);
  ASSERT_EQ(log.epochs.size(), 4U);
  for (const auto& report : log.epochs) EXPECT_TRUE(std::isnan(report.validation_score));
  EXPECT_TRUE(same_bits(network.weights(), log.weights.back()));
}

TEST(Fit, StopsWhenItsPatienceEnds) {
  const auto train = patterns(3, 6, 1);
  const auto validation =
      patterns(3, 4, 2, 0);  // clips of a class are equal: the accuracy is 1 from the first epoch on
  for (const auto& [patience, num_epochs] :
       {std::pair<int64_t, size_t>{1, 2}, {2, 3}, {5, 6}, {0, 8}, {7, 8}, {100, 8}}) {
    Siamese network = small_network();
    Log log;
    FitOptions options = short_fit(kInBatch, 8);
    options.patience = patience;
    EXPECT_EQ(fit(network, train, &validation, options, log.listener(network)), 0);
    ASSERT_FALSE(log.epochs.empty());
    EXPECT_EQ(log.epochs.front().validation_score, 1);
    EXPECT_EQ(log.epochs.size(), num_epochs) << "patience " << patience;
    EXPECT_TRUE(same_bits(network.weights(), log.weights.front()));
  }
}

TEST(Fit, CountsItsPatienceFromTheBestEpoch) {
  const auto train = patterns(4, 8, 1);
  const auto validation = patterns(4, 5, 2, 1.5);
  constexpr int64_t kPatience = 3;
  Siamese network = small_network();
  Log log;
  FitOptions options = short_fit(kInBatch, 60);
  options.patience = kPatience;
  const int64_t best_epoch = fit(network, train, &validation, options, log.listener(network));
  int64_t best = 0;
  int64_t expected = 0;  // epochs until three in a row were no better
  for (const auto& report : log.epochs) {
    if (report.validation_score > log.epochs[static_cast<size_t>(best)].validation_score) best = report.epoch;
    expected = report.epoch + 1;
    if (report.epoch - best == kPatience) break;
  }
  EXPECT_EQ(best_epoch, best);
  EXPECT_EQ(static_cast<int64_t>(log.epochs.size()), expected);
  EXPECT_TRUE(expected == 60 || expected == best + kPatience + 1);
}

/// -y log p - (1 - y) log(1 - p) or (p - y)², over all pairs of clips; positives and negatives weigh 1 : ratio.
double naive_in_batch_loss(Siamese& network, const LabelledFeatures& train, const LossOptions& loss, double ratio) {
  const at::Tensor embeddings = network.embed(train.spectrograms, {});
  const auto similarity = values(network.similarity(embeddings, embeddings, {}));
  const size_t size = train.labels.size();
  double sums[2] = {0, 0};
  double counts[2] = {0, 0};
  for (size_t i = 0; i < size; ++i)
    for (size_t j = i + 1; j < size; ++j) {
      const bool is_same = train.labels[i] == train.labels[j];
      const double p = similarity[i * size + j];
      const double missing = is_same ? 1 - p : p;
      const bool is_squared = std::holds_alternative<MeanSquaredErrorOptions>(loss);
      sums[is_same ? 1 : 0] += is_squared ? missing * missing : -std::log(1 - missing);
      ++counts[is_same ? 1 : 0];
    }
  return sums[1] / counts[1] / (1 + ratio) + sums[0] / counts[0] * ratio / (1 + ratio);
}

TEST(Fit, WeighsThePairsOfABatchByTheirRatio) {
  const auto train = patterns(4, 4, 1);
  for (const LossOptions& loss : {LossOptions(BinaryCrossentropyOptions{}), LossOptions(MeanSquaredErrorOptions{})}) {
    for (const double ratio : {0.25, 1.0, 3.0}) {
      Siamese network = plain_network();
      const double expected = naive_in_batch_loss(network, train, loss, ratio);
      Log log;
      FitOptions options = short_fit(BalancedOptions{.batch_size = 16, .negative_ratio = ratio}, 1);
      options.losses = {loss};
      fit(network, train, nullptr, options, log.listener(network));
      ASSERT_EQ(log.epochs.size(), 1U);
      EXPECT_NEAR(log.epochs[0].loss, expected, 1e-5);
      EXPECT_EQ(log.epochs[0].num_clips, 16);
      EXPECT_EQ(log.epochs[0].num_pairs, 120);
    }
  }
}

TEST(Fit, ReportsItsSteps) {
  const auto train = patterns(4, 8, 1);
  for (const SamplerOptions& sampler : kSamplers) {
    Siamese network = small_network();
    std::vector<StepReport> steps;
    std::vector<EpochReport> epochs;
    FitOptions options = short_fit(sampler, 2);
    options.optimizer.schedule.kind = ScheduleKind::kInverseTimeDecay;
    options.optimizer.schedule.decay = 0.5;
    FitListener listener;
    listener.on_step = [&](const StepReport& report) { steps.push_back(report); };
    listener.on_epoch = [&](const EpochReport& report) {
      epochs.push_back(report);
      return true;
    };
    fit(network, train, nullptr, options, listener);
    // In-batch: 32 clips in batches of 16. Two-sided: 4 × 4 × 4 pairs of either kind, 16 a step.
    const int64_t num_steps = !is_two_sided(sampler) ? 2 : 8;
    ASSERT_EQ(static_cast<int64_t>(steps.size()), 2 * num_steps);
    ASSERT_EQ(epochs.size(), 2U);
    for (int64_t i = 0; i < 2 * num_steps; ++i) {
      EXPECT_EQ(steps[static_cast<size_t>(i)].epoch, i / num_steps);
      EXPECT_EQ(steps[static_cast<size_t>(i)].step, i % num_steps + 1);
      EXPECT_EQ(steps[static_cast<size_t>(i)].num_steps, num_steps);
    }
    EXPECT_EQ(steps.back().loss, epochs.back().loss);
    for (size_t epoch = 0; epoch < 2; ++epoch) {
      EXPECT_EQ(epochs[epoch].num_clips, !is_two_sided(sampler) ? 32 : 256);
      EXPECT_EQ(epochs[epoch].num_pairs, !is_two_sided(sampler) ? 2 * 16 * 15 / 2 : 128);
      const auto last_step = static_cast<double>(num_steps) * static_cast<double>(epoch + 1) - 1;
      EXPECT_DOUBLE_EQ(epochs[epoch].lr, 3e-3 / (1 + 0.5 * last_step));
      EXPECT_GE(epochs[epoch].seconds, 0);
    }
  }
}

TEST(Fit, SurvivesALastBatchOfOnePair) {
  const auto train =
      patterns(4, 4, 1);  // 4 × 2 × 2 pairs of either kind: 32, two batches of 15 and one of 2, or one left
  const auto validation = patterns(4, 3, 2);
  for (const int64_t batch_size : {1, 15, 31}) {
    Siamese network = small_network();
    const FitOptions options = short_fit(HonkaPairsOptions{.batch_size = batch_size}, 2);
    EXPECT_NO_THROW(fit(network, train, &validation, options, {})) << batch_size;
    for (const auto& [name, tensor] : network.weights())
      for (const double value : values(tensor))
        ASSERT_TRUE(std::isfinite(value)) << name << ", batches of " << batch_size;
  }
}

TEST(Fit, CanBeInterruptedAnywhereAndKeepsTheBestEpoch) {
  const auto train = patterns(3, 6, 1);
  const auto validation = patterns(3, 4, 2, 1.5);
  for (const SamplerOptions& sampler : kSamplers) {
    int64_t num_all_polls = 0;
    {
      Siamese network = small_network();
      FitListener listener;
      listener.poll = [&] { ++num_all_polls; };
      fit(network, train, &validation, short_fit(sampler, 3), listener);
    }
    ASSERT_GT(num_all_polls, 10);
    for (int64_t last_poll = 1; last_poll <= num_all_polls; last_poll += 1 + num_all_polls / 25) {
      Siamese network = small_network();
      Log log;
      FitListener listener = log.listener(network);
      int64_t num_polls = 0;
      listener.poll = [&] {
        if (++num_polls == last_poll) throw Interrupted();
      };
      const NamedTensors initial = copies(network.weights());
      EXPECT_THROW(fit(network, train, &validation, short_fit(sampler, 3), listener), Interrupted)
          << "poll " << last_poll;
      const auto best = std::ranges::max_element(log.epochs, {}, &EpochReport::validation_score);
      EXPECT_TRUE(same_bits(network.weights(),
                            log.epochs.empty() ? initial : log.weights[static_cast<size_t>(best - log.epochs.begin())]))
          << "poll " << last_poll;
      expect_at_rest(network);
    }
  }
}

TEST(Fit, PassesAListenersExceptionOn) {
  const auto train = patterns(3, 6, 1);
  Siamese network = small_network();
  const NamedTensors initial = copies(network.weights());
  FitListener listener;
  listener.on_step = [](const StepReport&) { throw std::runtime_error("no"); };
  EXPECT_THROW(fit(network, train, nullptr, short_fit(kInBatch, 3), listener), std::runtime_error);
  EXPECT_TRUE(same_bits(network.weights(), initial));
  expect_at_rest(network);
}

TEST(Fit, StopsAtTheFirstLossThatIsNoNumber) {
  for (const SamplerOptions& sampler : kSamplers) {
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      auto train = patterns(3, 6, 1);
      train.spectrograms[4][0][0].fill_(value);
      Siamese network = small_network();
      const NamedTensors initial = copies(network.weights());
      EXPECT_THROW(fit(network, train, nullptr, short_fit(sampler, 3), {}), TrainingError);
      EXPECT_TRUE(same_bits(network.weights(), initial));
      expect_at_rest(network);
    }
  }
}

TEST(Fit, KeepsTheLastGoodEpochWhenTheLossBreaksLater) {
  auto train = patterns(3, 6, 1);
  Siamese network = small_network();
  Log log;
  FitListener listener = log.listener(network);
  listener.on_epoch = [&, report_on = listener.on_epoch](const EpochReport& report) {
    if (report.epoch == 1)
      train.spectrograms.fill_(std::numeric_limits<float>::quiet_NaN());  // the network trains on these very values
    return report_on(report);
  };
  EXPECT_THROW(fit(network, train, nullptr, short_fit(kInBatch, 5), listener), TrainingError);
  ASSERT_EQ(log.weights.size(), 2U);
  EXPECT_TRUE(same_bits(network.weights(), log.weights[1]));
}

TEST(Fit, KeepsOnlyWeightsThatAreNumbers) {
  // A step too long for float32 breaks the weights after an epoch whose loss was still a number.
  const auto train = patterns(3, 4, 1);
  for (const LabelledFeatures* validation : {static_cast<const LabelledFeatures*>(nullptr), &train}) {
    for (const int64_t epochs : {1, 3}) {
      Siamese network = small_network();
      FitOptions options = short_fit(kInBatch, epochs);
      options.optimizer.lr = 1e300;
      EXPECT_THROW(fit(network, train, validation, options, {}), TrainingError);
      for (const auto& [name, tensor] : network.weights())
        for (const double value : values(tensor)) ASSERT_TRUE(std::isfinite(value)) << name;
    }
  }
}

TEST(Fit, NamesTheOptionThatItRejects) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto train = patterns(3, 6, 1);
  const auto validation = patterns(3, 4, 2);
  const std::pair<const char*, std::function<void(FitOptions&)>> cases[] = {
      {"epochs", [](auto& o) { o.epochs = 0; }},
      {"steps_per_epoch", [](auto& o) { o.steps_per_epoch = -1; }},
      {"patience", [](auto& o) { o.patience = -1; }},
      {"validation_freq", [](auto& o) { o.validation_freq = 0; }},
      {"validation_ways", [](auto& o) { o.validation_ways = 1; }},
      {"checkpoint_every", [](auto& o) { o.checkpoint_every = -1; }},
      {"batch_size", [](auto& o) { o.sampler = BalancedOptions{.batch_size = 1}; }},
      {"batch_size", [](auto& o) { o.sampler = HonkaPairsOptions{.batch_size = 0}; }},
      {"negative_ratio", [](auto& o) { o.sampler = BalancedOptions{.negative_ratio = kNaN}; }},
      {"lr", [](auto& o) { o.optimizer.lr = 0; }},
      {"lr", [](auto& o) { o.optimizer.lr = kNaN; }},
      {"lr", [](auto& o) { o.optimizer.lr = kInfinity; }},
      {"loss", [](auto& o) { o.losses.clear(); }},
      {"head", [](auto& o) { o.losses = {ContrastiveOptions{}}; }},
      {"head", [](auto& o) { o.losses = {CrossEntropyOptions{}}; }},
      {"loss", [](auto& o) { o.losses = {BinaryCrossentropyOptions{}, CrossEntropyOptions{}, ArcFaceOptions{}}; }},
      {"sampler", [](auto& o) { o.sampler = RandomTripletsOptions{}; }},
      {"sampler", [](auto& o) { o.losses.push_back(TripletOptions{}); }},
      {"sampler", [](auto& o) { o.losses.push_back(PrototypicalOptions{}); }},
      {"augment", [](auto& o) { o.augment = {MixupOptions{}}; }},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    Siamese network = small_network();
    const NamedTensors initial = copies(network.weights());
    FitOptions options = short_fit(kInBatch, 1);
    cases[i].second(options);
    EXPECT_EQ(rejected_parameter([&] { fit(network, train, &validation, options, {}); }), cases[i].first)
        << "case " << i;
    EXPECT_TRUE(same_bits(network.weights(), initial)) << "case " << i;
    expect_at_rest(network);
  }
  Siamese network = small_network();
  const auto one_class = patterns(1, 6, 1);
  EXPECT_EQ(rejected_parameter([&] { fit(network, one_class, nullptr, short_fit(kInBatch, 1), {}); }), "train");
  EXPECT_EQ(rejected_parameter([&] { fit(network, train, &one_class, short_fit(kInBatch, 1), {}); }), "validation");
}

// ---- Going on where a run was stopped

/// Every state that a run was in, and the weights that it ended with.
struct WholeRun {
  std::vector<TrainingState> states;
  NamedTensors weights;
  std::vector<EpochReport> epochs;
};

WholeRun run(Siamese network, const FitOptions& options, const TrainingState* state = nullptr) {
  const auto train = patterns(4, 6, 1);
  const auto validation = patterns(4, 4, 2, 1.5);
  WholeRun whole;
  FitListener listener;
  listener.on_checkpoint = [&](const TrainingState& now) {
    whole.states.push_back({.progress = now.progress, .tensors = copies(now.tensors)});
  };
  listener.on_epoch = [&](const EpochReport& report) {
    whole.epochs.push_back(report);
    return true;
  };
  fit(network, train, &validation, options, listener, state);
  whole.weights = copies(network.weights());
  return whole;
}

/// A run that goes on from any of its states, in a network with other initial weights, ends with the same bits.
void expect_resumable(const std::function<Siamese()>& make_network, FitOptions options) {
  options.checkpoint_every = 1;
  const WholeRun whole = run(make_network(), options);
  ASSERT_GT(whole.states.size(), 3U);
  for (size_t i = 0; i < whole.states.size(); i += 1 + whole.states.size() / 8) {
    const WholeRun rest = run(make_network(), options, &whole.states[i]);
    EXPECT_TRUE(same_bits(rest.weights, whole.weights)) << "state " << i;
    ASSERT_LE(rest.epochs.size(), whole.epochs.size());
    const size_t offset = whole.epochs.size() - rest.epochs.size();
    for (size_t epoch = 0; epoch < rest.epochs.size(); ++epoch) {
      EXPECT_EQ(rest.epochs[epoch].loss, whole.epochs[offset + epoch].loss);
      EXPECT_EQ(rest.epochs[epoch].validation_score, whole.epochs[offset + epoch].validation_score);
      EXPECT_EQ(rest.epochs[epoch].num_pairs, whole.epochs[offset + epoch].num_pairs);
    }
  }
  EXPECT_TRUE(whole.states.back().progress.is_finished);
}

TEST(Resume, EndsWithTheSameBits) {
  for (const SamplerOptions& sampler : kSamplers)
    expect_resumable([] { return small_network(); }, short_fit(sampler, 3));
}

TEST(Resume, KeepsWhatEveryOptimizerRemembers) {
  for (const OptimizerKind kind : {OptimizerKind::kSgd, OptimizerKind::kRmsprop, OptimizerKind::kAdadelta,
                                   OptimizerKind::kAdam, OptimizerKind::kAdamw, OptimizerKind::kNadam}) {
    FitOptions options = short_fit(kInBatch, 2);
    options.optimizer.kind = kind;
    options.optimizer.momentum = kind == OptimizerKind::kSgd ? 0.9 : 0;
    expect_resumable([] { return small_network(); }, options);
  }
}

TEST(Resume, KeepsAveragesPlateausAndAugmentation) {
  FitOptions options = short_fit(kInBatch, 6);
  options.optimizer.moving_average = 0.9;
  options.optimizer.schedule.kind = ScheduleKind::kReduceOnPlateau;
  options.optimizer.schedule.patience = 1;
  options.optimizer.clip_norm = 0.5;
  SpecAugmentOptions masks;
  masks.max_time_frames = masks.max_bands = 3;
  options.augment = {TimeShiftOptions{}, NoiseOptions{}, masks};
  expect_resumable([] { return small_network(); }, options);
}

TEST(Resume, KeepsTheClassMemory) {
  FitOptions options = short_fit(RandomTripletsOptions{.batch_size = 24, .triplets_per_anchor = 2}, 3);
  options.losses = {TripletOptions{}, CrossEntropyOptions{.weight = 0.1}, ClassMemoryOptions{.weight = 0.1}};
  expect_resumable([] { return headless_network(); }, options);
}

TEST(Resume, GoesOnInMidEpochOfManySamplerEpochs) {
  FitOptions options = short_fit(kInBatch, 3);
  options.steps_per_epoch = 3;  // the sampler's epoch has 2 steps
  expect_resumable([] { return small_network(); }, options);
}

// ---- Losses with the samplers that they need

TEST(Fit, EveryLossLearnsToTellUnseenClipsApart) {
  const SamplerOptions triplets = RandomTripletsOptions{.batch_size = 24, .triplets_per_anchor = 2};
  const SamplerOptions pairs = RandomPairsOptions{.batch_size = 30, .num_positive = 1, .num_negative = 3};
  const SamplerOptions episodes = EpisodesOptions{.ways = 4, .shots = 2, .queries = 4, .episodes_per_epoch = 4};
  const std::pair<LossOptions, SamplerOptions> cases[] = {
      {ContrastiveOptions{}, pairs},
      {ContrastiveOptions{.form = ContrastiveForm::kB}, kInBatch},
      {ContrastiveOptions{.form = ContrastiveForm::kC}, kInBatch},
      {TripletOptions{}, triplets},
      {TripletOptions{.mining = Mining::kAll}, kInBatch},
      {TripletOptions{.mining = Mining::kSemiHard}, kInBatch},
      {TripletOptions{.mining = Mining::kHard}, kInBatch},
      {CrossEntropyOptions{.label_smoothing = 0.1}, ShuffledOptions{.batch_size = 16}},
      {CosineSoftmaxOptions{.scale = 10}, ShuffledOptions{.batch_size = 16}},
      {ArcFaceOptions{.scale = 10, .margin = 0.2}, ShuffledOptions{.batch_size = 16}},
      {PrototypicalOptions{}, episodes},
      {SupervisedContrastiveOptions{}, kInBatch},
  };
  const auto train = patterns(4, 12, 1);
  const auto validation = patterns(4, 6, 2);
  for (size_t i = 0; i < std::size(cases); ++i) {
    Siamese network = headless_network();
    FitOptions options = short_fit(cases[i].second, 20);
    options.losses = {cases[i].first};
    options.optimizer.lr = 1e-2;
    Log log;
    fit(network, train, nullptr, options, log.listener(network));
    EXPECT_LT(log.epochs.back().loss, 0.95 * log.epochs.front().loss) << "case " << i;
    EXPECT_GT(oneshot_accuracy(network, validation, 4), 0.7) << "case " << i;  // chance is 0.25
    expect_at_rest(network);
  }
}

TEST(Fit, AddsUpItsLosses) {
  const auto train = patterns(4, 4, 1);
  const auto loss_of = [&](const std::vector<LossOptions>& losses) {
    SiameseOptions options;
    options.encoder = encoder(true);
    options.distance = Distance::kEuclidean;
    options.head = Head::kNone;
    Siamese network(options, kInput, 1);
    FitOptions fit_options = short_fit(kInBatch, 1);
    fit_options.losses = losses;
    Log log;
    fit(network, train, nullptr, fit_options, log.listener(network));
    return log.epochs[0].loss;  // one step, so that of the initial weights
  };
  const double contrastive = loss_of({ContrastiveOptions{}});
  const double classes = loss_of({CrossEntropyOptions{}});
  EXPECT_GT(classes, 0);
  EXPECT_NEAR(loss_of({ContrastiveOptions{.weight = 2}, CrossEntropyOptions{.weight = 0.125}}),
              2 * contrastive + 0.125 * classes, 1e-6);
}

TEST(Fit, NoticesThatAllEmbeddingsHaveBecomeOne) {
  const auto train = patterns(3, 6, 1);
  Siamese network = headless_network();
  NamedTensors weights = copies(network.weights());
  for (auto& [name, tensor] : weights)
    if (name.starts_with("encoder.dense1") && name.ends_with("weight")) tensor.zero_();
  network.set_weights(weights);
  FitOptions options = short_fit(kInBatch, 2);
  options.losses = {TripletOptions{.mining = Mining::kHard}};
  EXPECT_THROW(fit(network, train, nullptr, options, {}), TrainingError);
  EXPECT_TRUE(same_bits(network.weights(), weights));
}

TEST(Fit, StopsWhenItsListenerSaysSo) {
  const auto train = patterns(3, 6, 1);
  Siamese network = small_network();
  int64_t num_epochs = 0;
  FitListener listener;
  listener.on_epoch = [&](const EpochReport&) { return ++num_epochs < 3; };
  EXPECT_EQ(fit(network, train, nullptr, short_fit(kInBatch, 10), listener), 2);
  EXPECT_EQ(num_epochs, 3);
}

TEST(Fit, ValidatesEveryFewEpochsAndAtTheEnd) {
  const auto train = patterns(3, 6, 1);
  const auto validation = patterns(3, 4, 2, 1.5);
  Siamese network = small_network();
  Log log;
  FitOptions options = short_fit(kInBatch, 5);
  options.validation_freq = 2;
  fit(network, train, &validation, options, log.listener(network));
  ASSERT_EQ(log.epochs.size(), 5U);
  for (const int64_t epoch : {0, 2}) EXPECT_TRUE(std::isnan(log.epochs[static_cast<size_t>(epoch)].validation_score));
  for (const int64_t epoch : {1, 3, 4}) EXPECT_GE(log.epochs[static_cast<size_t>(epoch)].validation_score, 0);
}

TEST(Fit, AnEpochHasTheStepsThatWereAskedFor) {
  const auto train = patterns(4, 8, 1);
  Siamese network = small_network();
  std::vector<StepReport> steps;
  FitListener listener;
  listener.on_step = [&](const StepReport& report) { steps.push_back(report); };
  FitOptions options = short_fit(kInBatch, 2);
  options.steps_per_epoch = 5;
  fit(network, train, nullptr, options, listener);
  ASSERT_EQ(steps.size(), 10U);
  EXPECT_EQ(steps[4].step, 5);
  EXPECT_EQ(steps[9].num_steps, 5);
}

}  // namespace
}  // namespace siamaudio

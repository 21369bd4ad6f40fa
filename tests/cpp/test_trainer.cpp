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

constexpr InputShape kInput{.height = 12, .width = 12};
constexpr Pairing kPairings[] = {Pairing::kInBatch, Pairing::kTwoSided};

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

Siamese small_network(uint64_t seed = 1) {
  return {{.encoder = {.blocks = {{.filters = 4, .kernel_size = 3, .dropout = 0.1}},
                       .embedding_size = 16,
                       .embedding_dropout = 0.1}},
          kInput,
          seed};
}

/// Without anything that makes training differ from evaluation.
Siamese plain_network(uint64_t seed = 1) {
  return {{.encoder = {.input_batch_norm = false,
                       .blocks = {{.filters = 4, .kernel_size = 3, .batch_norm = false, .dropout = 0}},
                       .embedding_size = 8,
                       .embedding_batch_norm = false,
                       .embedding_dropout = 0}},
          kInput,
          seed};
}

FitOptions short_fit(Pairing pairing, int64_t epochs) {
  return {.pairing = pairing, .optimizer = {.lr = 3e-3}, .epochs = epochs, .patience = 0, .batch_size = 16, .seed = 3};
}

/// What a fit reported, and the network's weights at the end of each epoch.
struct Log {
  std::vector<EpochReport> epochs;
  std::vector<NamedTensors> weights;

  FitListener listener(const Siamese& network) {
    return {.poll = {}, .on_step = {}, .on_epoch = [this, &network](const EpochReport& report) {
              epochs.push_back(report);
              weights.push_back(copies(network.weights()));
            }};
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
  return exact_oneshot(values(network.similarity(embeddings, embeddings, {})), features.labels, features.num_classes,
                       ways, 1, {})
      .accuracy;
}

TEST(Fit, LearnsToTellClassesApart) {
  const auto train = patterns(4, 12, 1);
  const auto validation = patterns(4, 6, 2);
  for (const Pairing pairing : kPairings) {
    for (const PairLoss loss : {PairLoss::kBinaryCrossEntropy, PairLoss::kMeanSquaredError}) {
      Siamese network = small_network();
      Log log;
      FitOptions options = short_fit(pairing, 25);
      options.optimizer.lr = 1e-2;
      options.loss = loss;
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
  for (const Pairing pairing : kPairings) {
    const auto run = [&](uint64_t seed) {
      Siamese network = small_network();
      FitOptions options = short_fit(pairing, 3);
      options.seed = seed;
      fit(network, train, nullptr, options, {});
      return copies(network.weights());
    };
    const auto weights = run(5);
    EXPECT_TRUE(same_bits(weights, run(5)));
    EXPECT_FALSE(same_bits(weights, run(6)));
  }
}

TEST(Fit, RepeatsItselfOnSeveralThreads) {
  const ThreadCount threads(2);
  const auto train = patterns(3, 4, 1);
  Siamese a = small_network();
  Siamese b = small_network();
  for (Siamese* network : {&a, &b}) fit(*network, train, nullptr, short_fit(Pairing::kInBatch, 1), {});
  EXPECT_TRUE(same_bits(a.weights(), b.weights()));
}

TEST(Fit, KeepsTheBestEpochAndReportsItsTrueAccuracy) {
  const auto train = patterns(4, 8, 1);
  const auto validation = patterns(4, 5, 2, 1.5);  // hard enough for the accuracy to go up and down
  for (const Pairing pairing : kPairings) {
    Siamese network = small_network();
    Log log;
    FitOptions options = short_fit(pairing, 10);
    options.validation_ways = 3;
    const int64_t best_epoch = fit(network, train, &validation, options, log.listener(network));
    ASSERT_EQ(log.epochs.size(), 10U);
    size_t expected = 0;
    for (size_t epoch = 0; epoch < 10; ++epoch) {
      EXPECT_EQ(log.epochs[epoch].epoch, static_cast<int64_t>(epoch));
      Siamese then = small_network();
      then.set_weights(log.weights[epoch]);
      EXPECT_NEAR(log.epochs[epoch].validation_accuracy, oneshot_accuracy(then, validation, 3), 1e-9);
      if (log.epochs[epoch].validation_accuracy > log.epochs[expected].validation_accuracy) expected = epoch;
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
  FitOptions options = short_fit(Pairing::kInBatch, 4);
  options.patience = 1;  // means nothing here
  EXPECT_EQ(fit(network, train, nullptr, options, log.listener(network)), 3);
  ASSERT_EQ(log.epochs.size(), 4U);
  for (const auto& report : log.epochs) EXPECT_TRUE(std::isnan(report.validation_accuracy));
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
    FitOptions options = short_fit(Pairing::kInBatch, 8);
    options.patience = patience;
    EXPECT_EQ(fit(network, train, &validation, options, log.listener(network)), 0);
    ASSERT_FALSE(log.epochs.empty());
    EXPECT_EQ(log.epochs.front().validation_accuracy, 1);
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
  FitOptions options = short_fit(Pairing::kInBatch, 60);
  options.patience = kPatience;
  const int64_t best_epoch = fit(network, train, &validation, options, log.listener(network));
  int64_t best = 0;
  int64_t expected = 0;  // epochs until three in a row were no better
  for (const auto& report : log.epochs) {
    if (report.validation_accuracy > log.epochs[static_cast<size_t>(best)].validation_accuracy) best = report.epoch;
    expected = report.epoch + 1;
    if (report.epoch - best == kPatience) break;
  }
  EXPECT_EQ(best_epoch, best);
  EXPECT_EQ(static_cast<int64_t>(log.epochs.size()), expected);
  EXPECT_TRUE(expected == 60 || expected == best + kPatience + 1);
}

/// -y log p - (1 - y) log(1 - p) or (p - y)², over all pairs of clips; positives and negatives weigh 1 : ratio.
double naive_in_batch_loss(Siamese& network, const LabelledFeatures& train, PairLoss loss, double ratio) {
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
      sums[is_same ? 1 : 0] += loss == PairLoss::kMeanSquaredError ? missing * missing : -std::log(1 - missing);
      ++counts[is_same ? 1 : 0];
    }
  return sums[1] / counts[1] / (1 + ratio) + sums[0] / counts[0] * ratio / (1 + ratio);
}

TEST(Fit, WeighsThePairsOfABatchByTheirRatio) {
  const auto train = patterns(4, 4, 1);
  for (const PairLoss loss : {PairLoss::kBinaryCrossEntropy, PairLoss::kMeanSquaredError}) {
    for (const double ratio : {0.25, 1.0, 3.0}) {
      Siamese network = plain_network();
      const double expected = naive_in_batch_loss(network, train, loss, ratio);
      Log log;
      FitOptions options = short_fit(Pairing::kInBatch, 1);
      options.loss = loss;
      options.negative_ratio = ratio;
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
  for (const Pairing pairing : kPairings) {
    Siamese network = small_network();
    std::vector<StepReport> steps;
    std::vector<EpochReport> epochs;
    FitOptions options = short_fit(pairing, 2);
    options.optimizer.schedule = {.kind = ScheduleKind::kInverseTimeDecay, .decay = 0.5};
    fit(network, train, nullptr, options,
        {.poll = {},
         .on_step = [&](const StepReport& report) { steps.push_back(report); },
         .on_epoch = [&](const EpochReport& report) { epochs.push_back(report); }});
    // In-batch: 32 clips in batches of 16. Two-sided: 4 × 4 × 4 pairs of either kind, 16 a step.
    const int64_t num_steps = pairing == Pairing::kInBatch ? 2 : 8;
    ASSERT_EQ(static_cast<int64_t>(steps.size()), 2 * num_steps);
    ASSERT_EQ(epochs.size(), 2U);
    for (int64_t i = 0; i < 2 * num_steps; ++i) {
      EXPECT_EQ(steps[static_cast<size_t>(i)].epoch, i / num_steps);
      EXPECT_EQ(steps[static_cast<size_t>(i)].step, i % num_steps + 1);
      EXPECT_EQ(steps[static_cast<size_t>(i)].num_steps, num_steps);
    }
    EXPECT_EQ(steps.back().loss, epochs.back().loss);
    for (size_t epoch = 0; epoch < 2; ++epoch) {
      EXPECT_EQ(epochs[epoch].num_clips, pairing == Pairing::kInBatch ? 32 : 256);
      EXPECT_EQ(epochs[epoch].num_pairs, pairing == Pairing::kInBatch ? 2 * 16 * 15 / 2 : 128);
      EXPECT_DOUBLE_EQ(epochs[epoch].learning_rate,
                       3e-3 / (1 + 0.5 * static_cast<double>(num_steps * (static_cast<int64_t>(epoch) + 1) - 1)));
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
    FitOptions options = short_fit(Pairing::kTwoSided, 2);
    options.batch_size = batch_size;
    EXPECT_NO_THROW(fit(network, train, &validation, options, {})) << batch_size;
    for (const auto& [name, tensor] : network.weights())
      for (const double value : values(tensor))
        ASSERT_TRUE(std::isfinite(value)) << name << ", batches of " << batch_size;
  }
}

TEST(Fit, CanBeInterruptedAnywhereAndKeepsTheBestEpoch) {
  const auto train = patterns(3, 6, 1);
  const auto validation = patterns(3, 4, 2, 1.5);
  for (const Pairing pairing : kPairings) {
    int64_t num_all_polls = 0;
    {
      Siamese network = small_network();
      fit(network, train, &validation, short_fit(pairing, 3),
          {.poll = [&] { ++num_all_polls; }, .on_step = {}, .on_epoch = {}});
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
      EXPECT_THROW(fit(network, train, &validation, short_fit(pairing, 3), listener), Interrupted)
          << "poll " << last_poll;
      const auto best = std::ranges::max_element(log.epochs, {}, &EpochReport::validation_accuracy);
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
  const FitListener listener{
      .poll = {}, .on_step = [](const StepReport&) { throw std::runtime_error("no"); }, .on_epoch = {}};
  EXPECT_THROW(fit(network, train, nullptr, short_fit(Pairing::kInBatch, 3), listener), std::runtime_error);
  EXPECT_TRUE(same_bits(network.weights(), initial));
  expect_at_rest(network);
}

TEST(Fit, StopsAtTheFirstLossThatIsNoNumber) {
  for (const Pairing pairing : kPairings) {
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      auto train = patterns(3, 6, 1);
      train.spectrograms[4][0][0].fill_(value);
      Siamese network = small_network();
      const NamedTensors initial = copies(network.weights());
      EXPECT_THROW(fit(network, train, nullptr, short_fit(pairing, 3), {}), TrainingError);
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
    report_on(report);
    if (report.epoch == 1)
      train.spectrograms.fill_(std::numeric_limits<float>::quiet_NaN());  // the network trains on these very values
  };
  EXPECT_THROW(fit(network, train, nullptr, short_fit(Pairing::kInBatch, 5), listener), TrainingError);
  ASSERT_EQ(log.weights.size(), 2U);
  EXPECT_TRUE(same_bits(network.weights(), log.weights[1]));
}

TEST(Fit, KeepsOnlyWeightsThatAreNumbers) {
  // A step too long for float32 breaks the weights after an epoch whose loss was still a number.
  const auto train = patterns(3, 4, 1);
  for (const LabelledFeatures* validation : {static_cast<const LabelledFeatures*>(nullptr), &train}) {
    for (const int64_t epochs : {1, 3}) {
      Siamese network = small_network();
      FitOptions options = short_fit(Pairing::kInBatch, epochs);
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
      {"patience", [](auto& o) { o.patience = -1; }},
      {"batch_size", [](auto& o) { o.batch_size = 1; }},
      {"batch_size", [](auto& o) { o.batch_size = 0; }},
      {"batch_size", [](auto& o) { o.batch_size = 0, o.pairing = Pairing::kTwoSided; }},
      {"clips_per_class", [](auto& o) { o.clips_per_class = 1; }},
      {"negative_ratio", [](auto& o) { o.negative_ratio = 0; }},
      {"negative_ratio", [](auto& o) { o.negative_ratio = kNaN; }},
      {"negative_ratio", [](auto& o) { o.negative_ratio = kInfinity; }},
      {"lr", [](auto& o) { o.optimizer.lr = 0; }},
      {"lr", [](auto& o) { o.optimizer.lr = kNaN; }},
      {"lr", [](auto& o) { o.optimizer.lr = kInfinity; }},
      {"decay", [](auto& o) { o.optimizer.schedule.decay = -0.1; }},
      {"decay", [](auto& o) { o.optimizer.schedule.decay = kNaN; }},
      {"validation_ways", [](auto& o) { o.validation_ways = 1; }},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    Siamese network = small_network();
    const NamedTensors initial = copies(network.weights());
    FitOptions options = short_fit(Pairing::kInBatch, 1);
    cases[i].second(options);
    EXPECT_EQ(rejected_parameter([&] { fit(network, train, &validation, options, {}); }), cases[i].first)
        << "case " << i;
    EXPECT_TRUE(same_bits(network.weights(), initial)) << "case " << i;
    expect_at_rest(network);
  }
  Siamese network = small_network();
  const auto one_class = patterns(1, 6, 1);
  EXPECT_EQ(rejected_parameter([&] { fit(network, one_class, nullptr, short_fit(Pairing::kInBatch, 1), {}); }),
            "train");
  EXPECT_EQ(rejected_parameter([&] { fit(network, train, &one_class, short_fit(Pairing::kInBatch, 1), {}); }),
            "validation");
}

TEST(Fit, KnowsItsPairings) {
  EXPECT_EQ(parse_pairing("in-batch"), Pairing::kInBatch);
  EXPECT_EQ(parse_pairing("two-sided"), Pairing::kTwoSided);
  EXPECT_EQ(rejected_parameter([] { parse_pairing("both"); }), "pairing");
}

}  // namespace
}  // namespace siamaudio

#include "score/explain.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "expect.h"
#include "model/calibration.h"
#include "score/coalitions.h"
#include "score/replacement.h"
#include "tensors.h"

namespace siamaudio {
namespace {

constexpr InputShape kInput{.height = 12, .width = 10};
constexpr int64_t kSupports = 3;
constexpr double kTolerance = 1e-5;  // of similarities in [-1, 1] by float32 passes in batches of other sizes

Siamese make_network(Distance distance, Head head, int64_t channels = 1, uint64_t seed = 1) {
  return {{.encoder = EncoderOptions{.blocks = {{.filters = 4, .kernel_size = {3, 3}}}, .dense = {{.units = 8}}},
           .distance = distance,
           .head = head},
          {.channels = channels, .height = kInput.height, .width = kInput.width},
          seed};
}

/// Four segments a support: three of 3 columns and a rest, but support 1 has two.
at::Tensor make_segments() {
  std::vector<int64_t> all;
  for (int64_t support = 0; support < kSupports; ++support)
    for (int64_t row = 0; row < kInput.height; ++row)
      for (int64_t column = 0; column < kInput.width; ++column)
        all.push_back(support == 1 ? row / 8 : (column + row / 6) / 3);
  return at::tensor(all, at::kLong).view({kSupports, kInput.height, kInput.width});
}

struct Task {
  explicit Task(Siamese& siamese, int64_t channels = 1)
      : network(&siamese),
        query(noise_tensor({channels, kInput.height, kInput.width}, 2) * 3),
        supports(noise_tensor({kSupports, channels, kInput.height, kInput.width}, 3) * 3),
        fills(noise_tensor({kSupports, channels, kInput.height, kInput.width}, 4) - 1),
        segments(make_segments()),
        explainer(siamese, query, supports, fills, {}) {}

  double similarity(const at::Tensor& support) const {
    const at::Tensor pair = at::cat({query.unsqueeze(0), support.unsqueeze(0)});
    const at::Tensor embeddings = network->embed(pair, {});
    return values(network->similarity(embeddings.narrow(0, 1, 1), embeddings.narrow(0, 0, 1), {}))[0];
  }

  /// One support with some pixels replaced, one after another.
  template <typename IsKept>
  at::Tensor with_kept(int64_t support, const IsKept& is_kept) const {
    at::Tensor x = supports.select(0, support).clone();
    for (int64_t row = 0; row < kInput.height; ++row)
      for (int64_t column = 0; column < kInput.width; ++column)
        if (!is_kept(row, column))
          x.select(1, row).select(1, column).copy_(fills.select(0, support).select(1, row).select(1, column));
    return x;
  }

  Siamese* network;
  at::Tensor query, supports, fills, segments;
  SupportExplainer explainer;
};

/// SINEX and SINEXC as their definitions read, one perturbation at a time.
std::vector<double> naive_contributions(const Task& task, int64_t support, Replaced replaced,
                                        const Coalitions& coalitions) {
  const auto num_segments = static_cast<size_t>(coalitions.num_segments);
  const size_t alpha = coalitions.of_segment.size() / num_segments;
  const auto labels = task.segments.select(0, support);
  const double whole = task.similarity(task.supports.select(0, support));
  std::vector<double> means;
  for (size_t segment = 0; segment < num_segments; ++segment) {
    double sum = 0;
    for (size_t draw = 0; draw < alpha; ++draw) {
      const auto set = static_cast<size_t>(coalitions.of_segment[segment * alpha + draw]);
      int64_t active = 0;
      const at::Tensor perturbed = task.with_kept(support, [&](int64_t row, int64_t column) {
        const auto own = static_cast<size_t>(labels.select(0, row).select(0, column).item<int64_t>());
        const bool is_member = coalitions.members[set * num_segments + own] == 1;
        active += is_member;
        return replaced == Replaced::kMembers ? !is_member : is_member;
      });
      const double lost = whole - task.similarity(perturbed);
      sum += (replaced == Replaced::kMembers ? lost : -lost) / static_cast<double>(active);
    }
    means.push_back(sum / static_cast<double>(alpha));
  }
  return means;
}

TEST(Explain, SinexIsItsDefinition) {
  for (const int64_t channels : {1, 2}) {
    Siamese network = make_network(Distance::kSquared, Head::kDense, channels);
    const Task task(network, channels);
    for (const Replaced replaced : {Replaced::kMembers, Replaced::kOthers}) {
      const auto found = task.explainer.sinex(task.segments, replaced, {});
      ASSERT_EQ(found.size(), kSupports);
      for (int64_t support = 0; support < kSupports; ++support) {
        const int64_t num_segments = support == 1 ? 2 : 4;
        const auto expected = naive_contributions(task, support, replaced, single_segments(num_segments));
        expect_close(found[static_cast<size_t>(support)], expected, kTolerance / 10);
      }
    }
  }
}

TEST(Explain, SinexcIsItsDefinition) {
  Siamese network = make_network(Distance::kCosine, Head::kNone);
  const Task task(network);
  for (const bool are_shared : {true, false}) {
    const CoalitionOptions options{.alpha = 7, .beta = 0.3, .are_shared = are_shared};
    for (const Replaced replaced : {Replaced::kMembers, Replaced::kOthers}) {
      const auto found = task.explainer.sinexc(task.segments, replaced, options, 5, {});
      for (int64_t support = 0; support < kSupports; ++support) {
        const Coalitions drawn = draw_coalitions(support == 1 ? 2 : 4, options, 5);
        const auto expected = naive_contributions(task, support, replaced, drawn);
        expect_close(found[static_cast<size_t>(support)], expected, kTolerance / 10);
      }
    }
  }
}

TEST(Explain, SimilaritiesAreTheNetworks) {
  Siamese network = make_network(Distance::kEuclidean, Head::kNone);
  const Task task(network);
  for (int64_t support = 0; support < kSupports; ++support)
    EXPECT_NEAR(task.explainer.similarities()[static_cast<size_t>(support)],
                task.similarity(task.supports.select(0, support)), kTolerance);
}

TEST(Explain, KeptSetsAreEmbeddedOnceEach) {
  Siamese network = make_network(Distance::kSquared, Head::kDense);
  const Task task(network);
  const std::vector<uint8_t> kept{1, 1, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1};
  int64_t most = 0;
  const WorkListener listener{.poll = {}, .on_progress = [&](int64_t done, int64_t total) {
                                EXPECT_LE(done, total);
                                most = total;
                              }};
  const auto found = task.explainer.kept_similarities(2, task.segments.select(0, 2), kept, 4, listener);
  EXPECT_EQ(most, 3);
  ASSERT_EQ(found.size(), 5);
  const auto labels = task.segments.select(0, 2);
  for (size_t set = 0; set < 5; ++set) {
    const at::Tensor x = task.with_kept(2, [&](int64_t row, int64_t column) {
      return kept[set * 4 + static_cast<size_t>(labels.select(0, row).select(0, column).item<int64_t>())] == 1;
    });
    EXPECT_NEAR(found[set], task.similarity(x), kTolerance);
  }
  EXPECT_EQ(rejected_parameter([&] { task.explainer.kept_similarities(3, labels, kept, 4, {}); }), "support");
  EXPECT_EQ(rejected_parameter([&] { task.explainer.kept_similarities(0, labels, kept, 2, {}); }), "kept");
  EXPECT_EQ(rejected_parameter([&] { task.explainer.kept_similarities(0, task.segments, kept, 4, {}); }), "segments");
  EXPECT_EQ(rejected_parameter([&] { task.explainer.sinex(labels, Replaced::kMembers, {}); }), "segments");
}

TEST(Explain, OcclusionIsItsDefinition) {
  Siamese network = make_network(Distance::kSquared, Head::kDense);
  const Task task(network);
  const OcclusionOptions options{.height = 5, .width = 4, .row_step = 3, .column_step = 4};
  const auto found = values(task.explainer.occlusion(options, {}));
  const std::vector<int64_t> rows{0, 3, 6, 7};
  const std::vector<int64_t> columns{0, 4, 6};
  std::vector<double> expected;
  for (int64_t support = 0; support < kSupports; ++support) {
    const double whole = task.similarity(task.supports.select(0, support));
    std::vector<double> sums(kInput.height * kInput.width);
    std::vector<double> counts(sums.size());
    for (const int64_t top : rows)
      for (const int64_t left : columns) {
        const auto is_inside = [&](int64_t row, int64_t column) {
          return row >= top && row < top + 5 && column >= left && column < left + 4;
        };
        const double lost =
            whole - task.similarity(task.with_kept(support, [&](int64_t r, int64_t c) { return !is_inside(r, c); }));
        for (int64_t row = 0; row < kInput.height; ++row)
          for (int64_t column = 0; column < kInput.width; ++column)
            if (is_inside(row, column)) {
              sums[static_cast<size_t>(row * kInput.width + column)] += lost / 20;
              ++counts[static_cast<size_t>(row * kInput.width + column)];
            }
      }
    for (size_t i = 0; i < sums.size(); ++i) expected.push_back(sums[i] / counts[i]);
  }
  expect_close(found, expected, kTolerance / 10);
  EXPECT_EQ(rejected_parameter([&] { task.explainer.occlusion({.height = 13}, {}); }), "height");
  EXPECT_EQ(rejected_parameter([&] { task.explainer.occlusion({.height = 5, .width = 0}, {}); }), "width");
}

TEST(Explain, RiseIsItsDefinition) {
  Siamese network = make_network(Distance::kSquared, Head::kDense);
  const Task task(network);
  const RiseOptions options{.num_masks = 40, .rows = 3, .columns = 4, .keep = 0.4, .seed = 9};
  const auto found = values(task.explainer.rise(options, {}));
  std::vector<std::vector<double>> masks;
  for (uint64_t mask = 0; mask < 40; ++mask) {
    Random random(9, mask);
    double nodes[5][6];
    for (auto& row : nodes)
      for (double& node : row)
        node = static_cast<double>(random.below(int64_t{1} << 53)) < 0.4 * static_cast<double>(int64_t{1} << 53);
    const double top = static_cast<double>(random.below(4)) / 4;  // cells of 4 x 3 pixels
    const double left = static_cast<double>(random.below(3)) / 3;
    std::vector<double> own;
    for (int64_t row = 0; row < kInput.height; ++row)
      for (int64_t column = 0; column < kInput.width; ++column) {
        const double y = top + static_cast<double>(row) / 4;
        const double x = left + static_cast<double>(column) / 3;
        double value = 0;
        for (int i = 0; i < 5; ++i)
          for (int j = 0; j < 6; ++j)
            value += nodes[i][j] * std::max(0.0, 1 - std::abs(y - i)) * std::max(0.0, 1 - std::abs(x - j));
        own.push_back(value);
      }
    masks.push_back(std::move(own));
  }
  std::vector<double> expected;
  for (int64_t support = 0; support < kSupports; ++support) {
    const at::Tensor own = task.supports.select(0, support);
    const at::Tensor fill = task.fills.select(0, support);
    std::vector<double> sums(masks[0].size());
    std::vector<double> weights(masks[0].size());
    for (const auto& mask : masks) {
      const at::Tensor share = at::tensor(mask, at::kDouble).to(at::kFloat).view({1, kInput.height, kInput.width});
      const double similarity = task.similarity(own * share + fill * (1 - share));
      for (size_t i = 0; i < mask.size(); ++i) {
        sums[i] += similarity * mask[i];
        weights[i] += mask[i];
      }
    }
    for (size_t i = 0; i < sums.size(); ++i) expected.push_back(sums[i] / weights[i]);
  }
  expect_close(found, expected, kTolerance);
  EXPECT_EQ(rejected_parameter([&] { task.explainer.rise({.num_masks = 0}, {}); }), "num_masks");
  EXPECT_EQ(rejected_parameter([&] { task.explainer.rise({.keep = 1}, {}); }), "keep");
}

/// Networks of every kind of similarity; the last is calibrated.
std::vector<Siamese> all_networks() {
  std::vector<Siamese> all;
  all.push_back(make_network(Distance::kSquared, Head::kDense));
  all.push_back(make_network(Distance::kAbsolute, Head::kDense));
  all.push_back(make_network(Distance::kCosine, Head::kDense));
  all.push_back(make_network(Distance::kEuclidean, Head::kNone));
  all.push_back(make_network(Distance::kCosine, Head::kNone));
  all.push_back(make_network(Distance::kCosine, Head::kNone));
  const at::Tensor embeddings = all.back().embed(noise_tensor({6, kInput.height, kInput.width}, 7), {});
  const std::vector<int64_t> labels{0, 0, 1, 1, 2, 2};
  all.back().set_calibration(fit_calibration(embeddings, labels));
  return all;
}

TEST(Explain, IntegratedGradientsAddUpToTheDifference) {
  for (Siamese& network : all_networks()) {
    const Task task(network);
    const at::Tensor maps = task.explainer.integrated_gradients(200, {});
    ASSERT_EQ(maps.sizes(), at::IntArrayRef({kSupports, kInput.height, kInput.width}));
    for (int64_t support = 0; support < kSupports; ++support) {
      const double difference =
          task.similarity(task.supports.select(0, support)) - task.similarity(task.fills.select(0, support));
      // The path crosses the kinks of ReLUs and maxima.
      EXPECT_NEAR(maps.select(0, support).sum().item<double>(), difference, 0.02 * std::max(1.0, std::abs(difference)));
    }
  }
}

TEST(Explain, GradientsAreThoseOfTheSimilarity) {
  for (Siamese& network : all_networks()) {
    const Task task(network);
    const at::Tensor map = task.explainer.gradient_times_input({});
    for (const int64_t pixel : {0, 37, 88, 119}) {
      const int64_t row = pixel / kInput.width;
      const int64_t column = pixel % kInput.width;
      constexpr double kStep = 2e-2;
      const auto moved = [&](double by) {
        at::Tensor x = task.supports.select(0, 1).clone();
        x.select(1, row).select(1, column).add_(by);
        return task.similarity(x);
      };
      const at::Tensor difference = task.supports.select(0, 1) - task.fills.select(0, 1);
      const double input = difference.select(1, row).select(1, column).item<double>();
      const double expected = input * (moved(kStep) - moved(-kStep)) / (2 * kStep);
      EXPECT_NEAR(map.select(0, 1).select(0, row).select(0, column).item<double>(), expected,
                  2e-3 * std::max(1.0, std::abs(expected)));
    }
  }
}

TEST(Explain, GradientsLeaveTheNetworkAlone) {
  Siamese network = make_network(Distance::kSquared, Head::kDense);
  for (const auto& [name, tensor] : network.parameters()) tensor.set_requires_grad(true);  // as after training
  const NamedTensors before = copies(network.weights());
  const Task task(network);
  task.explainer.gradient_times_input({});
  EXPECT_TRUE(same_bits(before, network.weights()));
  for (const auto& [name, tensor] : network.parameters()) EXPECT_FALSE(tensor.grad().defined()) << name;
}

TEST(Explain, ACalibratedEmbeddingOfZerosHasAFiniteGradient) {
  Siamese network({.encoder = EncoderOptions{.blocks = {{.filters = 4, .kernel_size = {3, 3}}}, .dense = {}},
                   .distance = Distance::kCosine,
                   .head = Head::kNone},
                  kInput, 1);
  const at::Tensor embeddings = network.embed(noise_tensor({6, kInput.height, kInput.width}, 7), {});
  ASSERT_TRUE((embeddings == 0).any().item<bool>());  // ReLUs
  const std::vector<int64_t> labels{0, 0, 1, 1, 2, 2};
  network.set_calibration(fit_calibration(embeddings, labels));
  const Task task(network);
  EXPECT_TRUE(task.explainer.gradient_times_input({}).isfinite().all().item<bool>());
}

TEST(Explain, CanBeInterrupted) {
  Siamese network = make_network(Distance::kSquared, Head::kDense);
  const Task task(network);
  int calls = 0;
  const WorkListener listener{.poll =
                                  [&] {
                                    if (++calls > 3) throw Interrupted();
                                  },
                              .on_progress = {}};
  EXPECT_THROW(task.explainer.sinexc(task.segments, Replaced::kMembers, {}, 0, listener), Interrupted);
  calls = 0;
  EXPECT_THROW(task.explainer.integrated_gradients(100, listener), Interrupted);
  const auto after = task.explainer.sinex(task.segments, Replaced::kMembers, {});
  EXPECT_EQ(after.size(), kSupports);
}

// ---- Coalitions

TEST(Coalitions, EachSegmentIsInAlphaOfThem) {
  for (const bool are_shared : {true, false}) {
    for (const int64_t num_segments : {1, 2, 7, 30}) {
      const CoalitionOptions options{.alpha = 20, .beta = 0.15, .are_shared = are_shared};
      const Coalitions drawn = draw_coalitions(num_segments, options, 3);
      const auto size = static_cast<size_t>(num_segments);
      ASSERT_EQ(drawn.of_segment.size(), size * 20);
      ASSERT_EQ(drawn.members.size(), static_cast<size_t>(drawn.num_sets) * size);
      std::vector<std::string> sets;
      for (size_t set = 0; set < static_cast<size_t>(drawn.num_sets); ++set)
        sets.emplace_back(drawn.members.begin() + static_cast<std::ptrdiff_t>(set * size),
                          drawn.members.begin() + static_cast<std::ptrdiff_t>((set + 1) * size));
      for (size_t i = 0; i < drawn.of_segment.size(); ++i)
        EXPECT_EQ(sets[static_cast<size_t>(drawn.of_segment[i])][i / 20], 1);
      std::ranges::sort(sets);
      EXPECT_EQ(std::ranges::adjacent_find(sets), sets.end());  // all different
    }
  }
}

TEST(Coalitions, OthersAreInThemWithChanceBeta) {
  constexpr size_t kSegments = 20;
  constexpr size_t kAlpha = 2000;
  for (const bool are_shared : {true, false}) {
    for (const double beta : {0.06, 0.15, 0.5, 1.0}) {
      const Coalitions drawn =
          draw_coalitions(kSegments, {.alpha = kAlpha, .beta = beta, .are_shared = are_shared}, 11);
      for (size_t segment : {size_t{0}, size_t{13}}) {
        std::vector<double> shares(kSegments);
        for (size_t draw = 0; draw < kAlpha; ++draw)
          for (size_t other = 0; other < kSegments; ++other)
            shares[other] +=
                drawn.members[static_cast<size_t>(drawn.of_segment[segment * kAlpha + draw]) * kSegments + other] /
                static_cast<double>(kAlpha);
        for (size_t other = 0; other < kSegments; ++other)
          EXPECT_NEAR(shares[other], other == segment ? 1 : beta, 5 * std::sqrt(0.25 / kAlpha));
      }
    }
  }
}

TEST(Coalitions, SharedOnesAreFewer) {
  const Coalitions shared = draw_coalitions(60, {}, 0);
  const Coalitions separate = draw_coalitions(60, {.are_shared = false}, 0);
  EXPECT_LE(shared.num_sets, 1000);  // alpha / beta
  EXPECT_GT(separate.num_sets, 8000);
  EXPECT_EQ(draw_coalitions(60, {}, 0).members, shared.members);
  EXPECT_NE(draw_coalitions(60, {}, 1).members, shared.members);
}

TEST(Coalitions, RefuseWhatIsOutOfRange) {
  EXPECT_EQ(rejected_parameter([] { draw_coalitions(3, {.alpha = 0}, 0); }), "alpha");
  EXPECT_EQ(rejected_parameter([] { draw_coalitions(3, {.beta = 1.5}, 0); }), "beta");
  EXPECT_EQ(rejected_parameter([] { draw_coalitions(3, {.beta = std::nan("")}, 0); }), "beta");
  const Coalitions alone = draw_coalitions(3, {.alpha = 4, .beta = 0}, 0);
  EXPECT_EQ(alone.num_sets, 3);
}

// ---- Replacement

TEST(Replacement, OfEveryKind) {
  const at::Tensor x = noise_tensor({2, 2, 4, 5}, 1) * 2 + 1;
  // Segment 0 on the left, 1 on the right, of the second clip 0 everywhere.
  std::vector<int64_t> labels(40, 0);
  for (size_t row = 0; row < 4; ++row)
    for (size_t column = 3; column < 5; ++column) labels[row * 5 + column] = 1;
  const at::Tensor segments = at::tensor(labels, at::kLong).view({2, 4, 5});
  const auto of = [&](Replacement replacement) { return replacement_values(x, segments, replacement, {-3, 7}, 5); };

  const at::Tensor silence = of(Replacement::kSilence);
  EXPECT_TRUE((silence[0] == -3).all().item<bool>() && (silence[1] == 7).all().item<bool>());

  const at::Tensor mean = x.mean({2, 3}, /*keepdim=*/true).expand_as(x);
  expect_close(values(of(Replacement::kMean)), values(mean), 1e-6);

  const at::Tensor around = of(Replacement::kNeighbour);
  for (int64_t channel = 0; channel < 2; ++channel) {
    const at::Tensor own = x[0][channel];
    const std::vector<double> expected(12, own.select(1, 3).mean().item<double>());
    expect_close(values(around[0][channel].narrow(1, 0, 3)), expected, 1e-6);
    const std::vector<double> right(8, own.select(1, 2).mean().item<double>());
    expect_close(values(around[0][channel].narrow(1, 3, 2)), right, 1e-6);
  }
  expect_close(values(around[1]), values(mean[1]), 1e-6, "no neighbours");

  const at::Tensor large = noise_tensor({1, 1, 100, 100}, 1) * 2 + 1;
  const at::Tensor one = at::tensor(std::vector<int64_t>(10000, 0), at::kLong).view({1, 100, 100});
  const at::Tensor noise = replacement_values(large, one, Replacement::kNoise, {}, 5);
  EXPECT_NEAR(noise.mean().item<double>(), large.mean().item<double>(), 0.06);
  EXPECT_NEAR(noise.std().item<double>(), large.std().item<double>(), 0.04);
  EXPECT_TRUE(at::equal(noise, replacement_values(large, one, Replacement::kNoise, {}, 5)));
  EXPECT_FALSE(at::equal(noise, replacement_values(large, one, Replacement::kNoise, {}, 6)));

  EXPECT_EQ(rejected_parameter([&] { replacement_values(x, segments, Replacement::kSilence, {0}, 5); }), "levels");
  EXPECT_EQ(rejected_parameter([] { parse_replacement("nothing"); }), "replacement");
}

}  // namespace
}  // namespace siamaudio

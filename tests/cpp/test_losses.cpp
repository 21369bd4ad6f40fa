#include "train/losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "expect.h"
#include "tensors.h"

namespace siamaudio {
namespace {

/// From the definition; fit for moderate logits only.
double naive_loss(const std::vector<double>& logits, const std::vector<double>& is_same,
                  const std::vector<double>& weights, PairLoss loss) {
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double p = 1 / (1 + std::exp(-logits[i]));
    const double y = is_same[i];
    sum += weights[i] *
           (loss == PairLoss::kMeanSquaredError ? (p - y) * (p - y) : -y * std::log(p) - (1 - y) * std::log(1 - p));
  }
  return sum;
}

constexpr PairLoss kLosses[] = {PairLoss::kBinaryCrossEntropy, PairLoss::kMeanSquaredError};

TEST(PairLoss, AgreesWithTheDefinition) {
  for (const PairLoss loss : kLosses) {
    for (const int64_t size : {0, 1, 2, 101}) {
      const at::Tensor logits = noise_tensor({size}, 1) * 5;
      const at::Tensor is_same = noise_tensor({size}, 2).gt(0).to(at::kFloat);
      const at::Tensor weights = noise_tensor({size}, 3).abs();
      EXPECT_NEAR(pair_loss(logits, is_same, weights, loss).item<double>(),
                  naive_loss(values(logits), values(is_same), values(weights), loss),
                  1e-4);  // float32 sums of up to 101 terms up to 5
    }
  }
}

TEST(PairLoss, HasKnownValues) {
  const at::Tensor logits = make_tensor({0, 0}, {2});
  const at::Tensor is_same = make_tensor({1, 0}, {2});
  const at::Tensor weights = make_tensor({0.5F, 0.5F}, {2});
  EXPECT_NEAR(pair_loss(logits, is_same, weights, PairLoss::kBinaryCrossEntropy).item<double>(), std::log(2.0), 1e-7);
  EXPECT_NEAR(pair_loss(logits, is_same, weights, PairLoss::kMeanSquaredError).item<double>(), 0.25, 1e-7);
}

TEST(PairLoss, IsFiniteForExtremeLogits) {
  for (const float logit : {-100.0F, 100.0F, -1e4F, 1e4F}) {
    for (const float y : {0.0F, 1.0F}) {
      for (const PairLoss loss : kLosses) {
        const at::Tensor logits = make_tensor({logit}, {1}).set_requires_grad(true);
        const at::Tensor value = pair_loss(logits, make_tensor({y}, {1}), make_tensor({1}, {1}), loss);
        value.backward();
        const bool is_right = (logit > 0) == (y > 0);
        const double wrong = loss == PairLoss::kMeanSquaredError ? 1 : std::abs(logit);
        EXPECT_NEAR(value.item<double>(), is_right ? 0 : wrong, 1e-5) << logit << ", " << y;
        EXPECT_TRUE(std::isfinite(logits.grad().item<double>())) << logit << ", " << y;
      }
    }
  }
}

TEST(PairLoss, HasTheGradientOfItsValues) {
  constexpr double kStep = 1e-6;  // in double, central differences err by about 1e-10
  for (const PairLoss loss : kLosses) {
    const at::Tensor logits = (noise_tensor({6}, 4) * 3).to(at::kDouble).set_requires_grad(true);
    const auto is_same = make_tensor({1, 0, 1, 0, 1, 0}, {6}).to(at::kDouble);
    const auto weights = noise_tensor({6}, 5).abs().to(at::kDouble);
    pair_loss(logits, is_same, weights, loss).backward();
    std::vector<double> expected;
    for (size_t i = 0; i < 6; ++i) {
      auto higher = values(logits);
      auto lower = higher;
      higher[i] += kStep;
      lower[i] -= kStep;
      expected.push_back((naive_loss(higher, values(is_same), values(weights), loss) -
                          naive_loss(lower, values(is_same), values(weights), loss)) /
                         (2 * kStep));
    }
    expect_close(values(logits.grad()), expected, 1e-8);
  }
}

// ---- What the tests below share

using Rows = std::vector<std::vector<double>>;
using Labels = std::vector<int64_t>;

Rows rows(const at::Tensor& matrix) {
  const auto all = values(matrix);
  const auto width = static_cast<int64_t>(matrix.size(1));
  Rows result;
  for (int64_t i = 0; i < matrix.size(0); ++i)
    result.emplace_back(all.begin() + i * width, all.begin() + (i + 1) * width);
  return result;
}

at::Tensor doubles(at::IntArrayRef shape, uint64_t seed) { return noise_tensor(shape, seed).to(at::kDouble); }

at::Tensor as_labels(const Labels& labels) { return at::tensor(labels, at::kLong); }

double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

double distance(const std::vector<double>& a, const std::vector<double>& b, TripletDistance kind) {
  const double squared = squared_distance(a, b);
  return kind == TripletDistance::kEuclidean ? std::sqrt(squared) : squared;
}

double naive_cross_entropy(const std::vector<double>& logits, int64_t label, double smoothing) {
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit);
  double loss = 0;
  const auto classes = static_cast<double>(logits.size());
  for (size_t c = 0; c < logits.size(); ++c) {
    const double target = smoothing / classes + (static_cast<int64_t>(c) == label ? 1 - smoothing : 0);
    loss -= target * (logits[c] - std::log(sum));
  }
  return loss;
}

using Loss = std::function<at::Tensor(const at::Tensor&)>;

at::Tensor gradient_of(const Loss& loss, const at::Tensor& at_values) {
  const at::Tensor x = at_values.detach().clone().set_requires_grad(true);
  loss(x).backward();
  return x.grad();
}

/// Compares the gradient with central differences of the loss itself, in double.
void expect_gradient(const Loss& loss, const at::Tensor& at_values, const std::string& what = "") {
  constexpr double kStep = 1e-6;
  ASSERT_EQ(at_values.scalar_type(), at::kDouble);
  std::vector<double> expected;
  for (int64_t i = 0; i < at_values.numel(); ++i) {
    double sides[2];
    for (const int side : {0, 1}) {
      const at::Tensor moved = at_values.detach().clone();
      moved.view(-1)[i] += side == 1 ? kStep : -kStep;
      sides[side] = loss(moved).item<double>();
    }
    expected.push_back((sides[1] - sides[0]) / (2 * kStep));
  }
  expect_close(values(gradient_of(loss, at_values)), expected, 1e-6, what);
}

void expect_finite(const Loss& loss, const at::Tensor& at_values, const std::string& what = "") {
  EXPECT_TRUE(std::isfinite(loss(at_values).item<double>())) << what;
  EXPECT_TRUE(at::isfinite(gradient_of(loss, at_values)).all().item<bool>()) << what;
}

// ---- Weights of pairs

TEST(BalancedPairWeights, MakeKindsCountAsWholes) {
  const at::Tensor is_same = at::tensor({1.0, 0.0, 0.0, 1.0, 0.0, 0.0}, at::kDouble);
  for (const double ratio : {0.25, 1.0, 4.0}) {
    const auto weights = values(balanced_pair_weights(is_same, ratio));
    const double same = weights[0] + weights[3];
    const double different = weights[1] + weights[2] + weights[4] + weights[5];
    EXPECT_NEAR(same + different, 1, 1e-12);
    EXPECT_NEAR(different / same, ratio, 1e-12);
    EXPECT_EQ(weights[0], weights[3]);
    EXPECT_EQ(weights[1], weights[5]);
  }
}

TEST(BalancedPairWeights, LoseTheShareOfAKindThatIsAbsent) {
  const auto only_same = values(balanced_pair_weights(at::tensor({1.0, 1.0}, at::kDouble), 3));
  expect_close(only_same, std::vector<double>{0.125, 0.125}, 1e-12);
  const auto only_different = values(balanced_pair_weights(at::tensor({0.0, 0.0}, at::kDouble), 3));
  expect_close(only_different, std::vector<double>{0.375, 0.375}, 1e-12);
}

// ---- Contrastive

constexpr ContrastiveForm kForms[] = {ContrastiveForm::kA, ContrastiveForm::kB, ContrastiveForm::kC};

double naive_contrastive(const Rows& left, const Rows& right, const std::vector<double>& is_same,
                         const std::vector<double>& weights, const ContrastiveOptions& options) {
  double sum = 0;
  for (size_t i = 0; i < left.size(); ++i) {
    const double d = std::sqrt(squared_distance(left[i], right[i]));
    const double y = 1 - is_same[i];  // Lloret's: 1 for different classes
    const auto n = static_cast<double>(left[i].size());
    const double m = options.margin;
    double loss = 0;
    if (options.form == ContrastiveForm::kA) loss = (1 - y) * d * d + y * std::pow(std::max(0.0, m - d), 2);
    if (options.form == ContrastiveForm::kB) loss = (1 - y) * d * d + y * std::max(0.0, m - d * d);
    if (options.form == ContrastiveForm::kC) loss = -(1 - y) * std::log(1 - d / n) - y * std::log(1 - (n - d) / n);
    sum += weights[i] * loss;
  }
  return sum;
}

TEST(Contrastive, AgreesWithTheFormulas) {
  const at::Tensor is_same = noise_tensor({9}, 3).gt(0).to(at::kDouble);
  const at::Tensor weights = doubles({9}, 4).abs();
  const at::Tensor left = doubles({9, 6}, 1) * 0.5 + 0.5;  // form c wants [0, 1]
  const at::Tensor right = doubles({9, 6}, 2) * 0.5 + 0.5;
  for (const ContrastiveForm form : kForms) {
    for (const double margin : {0.5, 1.0, 3.0}) {
      const ContrastiveOptions options{.margin = margin, .form = form};
      EXPECT_NEAR(contrastive_loss(left, right, is_same, weights, options).item<double>(),
                  naive_contrastive(rows(left), rows(right), values(is_same), values(weights), options), 1e-12);
      expect_gradient([&](const at::Tensor& x) { return contrastive_loss(x, right, is_same, weights, options); }, left);
    }
  }
}

TEST(Contrastive, IsFiniteForEqualAndForFarEmbeddings) {
  const at::Tensor weights = at::full({1}, 1.0, at::kFloat);
  for (const ContrastiveForm form : kForms) {
    for (const float same : {0.0F, 1.0F}) {
      for (const float difference : {0.0F, 1e-30F, 1e4F}) {
        const at::Tensor left = at::full({1, 4}, difference, at::kFloat);
        const at::Tensor right = at::zeros({1, 4}, at::kFloat);
        expect_finite(
            [&](const at::Tensor& x) {
              return contrastive_loss(x, right, at::full({1}, same, at::kFloat), weights, {.form = form});
            },
            left, std::to_string(difference));
      }
    }
  }
}

// ---- Triplets

constexpr TripletDistance kTripletDistances[] = {TripletDistance::kEuclidean, TripletDistance::kSquaredEuclidean};
constexpr Mining kMinings[] = {Mining::kAll, Mining::kHard, Mining::kSemiHard};

TEST(Triplet, AgreesWithTheDefinition) {
  const at::Tensor a = doubles({7, 5}, 1);
  const at::Tensor p = doubles({7, 5}, 2);
  const at::Tensor n = doubles({7, 5}, 3);
  for (const TripletDistance kind : kTripletDistances) {
    for (const double margin : {0.1, 1.0, 5.0}) {
      const TripletOptions options{.margin = margin, .distance = kind};
      double expected = 0;
      for (size_t i = 0; i < 7; ++i)
        expected +=
            std::max(0.0, distance(rows(a)[i], rows(p)[i], kind) - distance(rows(a)[i], rows(n)[i], kind) + margin);
      EXPECT_NEAR(triplet_loss(a, p, n, options).item<double>(), expected / 7, 1e-12);
      expect_gradient([&](const at::Tensor& x) { return triplet_loss(x, p, n, options); }, a);
      expect_gradient([&](const at::Tensor& x) { return triplet_loss(a, p, x, options); }, n);
    }
  }
}

TEST(Triplet, OfNoneIsZero) {
  const at::Tensor none = at::zeros({0, 5}, at::kFloat);
  EXPECT_EQ(triplet_loss(none, none, none, {}).item<double>(), 0);
}

/// From the definitions, by loops.
double naive_mined(const Rows& e, const Labels& labels, const TripletOptions& options) {
  const size_t n = e.size();
  const auto d = [&](size_t i, size_t j) { return distance(e[i], e[j], options.distance); };
  double sum = 0;
  double count = 0;
  const auto add = [&](double near, double far) {
    sum += std::max(0.0, near - far + options.margin);
    ++count;
  };
  for (size_t a = 0; a < n; ++a) {
    std::vector<double> positives;
    std::vector<double> negatives;
    for (size_t i = 0; i < n; ++i) {
      if (labels[i] != labels[a]) negatives.push_back(d(a, i));
      if (labels[i] == labels[a] && i != a) positives.push_back(d(a, i));
    }
    std::sort(negatives.begin(), negatives.end());
    if (positives.empty() || negatives.empty()) continue;
    if (options.mining == Mining::kHard) add(*std::max_element(positives.begin(), positives.end()), negatives.front());
    if (options.mining == Mining::kAll)
      for (const double near : positives)
        for (const double far : negatives) add(near, far);
    if (options.mining == Mining::kSemiHard) {
      for (const double near : positives) {
        const auto beyond = std::upper_bound(negatives.begin(), negatives.end(), near);
        add(near, beyond == negatives.end() ? negatives.back() : *beyond);
      }
    }
  }
  return count > 0 ? sum / count : 0;
}

TEST(Triplet, IsMinedAsDefined) {
  for (const Labels& labels : {Labels{0, 0, 1, 1, 1, 2}, Labels{5, 3, 5, 3, 5, 3}, Labels{0, 1, 2, 3, 3, 4}}) {
    for (const Mining mining : kMinings) {
      for (const TripletDistance kind : kTripletDistances) {
        for (const uint64_t seed : {1U, 2U, 3U}) {
          const TripletOptions options{.margin = 0.7, .distance = kind, .mining = mining};
          const at::Tensor embeddings = doubles({6, 3}, seed);
          const Loss loss = [&](const at::Tensor& x) { return mined_triplet_loss(x, as_labels(labels), options); };
          EXPECT_NEAR(loss(embeddings).item<double>(), naive_mined(rows(embeddings), labels, options), 1e-12);
          expect_gradient(loss, embeddings);
        }
      }
    }
  }
}

TEST(Triplet, IsZeroWhereNoneCanBeMined) {
  for (const Labels& labels : {Labels{1, 1, 1}, Labels{0, 1, 2}, Labels{4}}) {  // no negative, no positive, one clip
    for (const Mining mining : kMinings) {
      const auto size = static_cast<int64_t>(labels.size());
      const Loss loss = [&](const at::Tensor& x) {
        return mined_triplet_loss(x, as_labels(labels), {.mining = mining});
      };
      EXPECT_EQ(loss(doubles({size, 3}, 1)).item<double>(), 0);
      EXPECT_EQ(values(gradient_of(loss, doubles({size, 3}, 1))),
                std::vector<double>(static_cast<size_t>(3 * size), 0));
    }
  }
}

TEST(Triplet, OfEqualEmbeddingsStandsAtItsMargin) {
  for (const Mining mining : kMinings) {
    const Loss loss = [&](const at::Tensor& x) {
      return mined_triplet_loss(x, as_labels({0, 0, 1, 1}), {.margin = 0.25, .mining = mining});
    };
    const at::Tensor equal = at::full({4, 3}, 0.5, at::kFloat);
    EXPECT_EQ(loss(equal).item<double>(), 0.25);
    expect_finite(loss, equal);
  }
}

// ---- Classes

/// The three losses of classes, and each from its definition for one clip.
struct ClassLoss {
  std::string name;
  std::function<at::Tensor(const at::Tensor&, const ClassTargets&)> loss;
  std::function<double(const std::vector<double>&, int64_t)> naive;
};

double naive_arcface(std::vector<double> cosines, int64_t label, double scale, double margin) {
  auto& own = cosines[static_cast<size_t>(label)];
  const double angle = std::acos(own);
  own = angle + margin <= std::numbers::pi ? std::cos(angle + margin) : own - 1 + std::cos(margin);
  for (double& cosine : cosines) cosine *= scale;
  return naive_cross_entropy(cosines, label, 0);
}

std::vector<ClassLoss> class_losses() {
  std::vector<ClassLoss> all;
  for (const double smoothing : {0.0, 0.1, 0.5})
    all.push_back({"cross-entropy " + std::to_string(smoothing),
                   [=](const at::Tensor& x, const ClassTargets& t) {
                     return cross_entropy_loss(x, t, {.label_smoothing = smoothing});
                   },
                   [=](const std::vector<double>& x, int64_t y) { return naive_cross_entropy(x, y, smoothing); }});
  all.push_back({"cosine softmax",
                 [](const at::Tensor& x, const ClassTargets& t) { return cosine_softmax_loss(x, t, {.scale = 7}); },
                 [](std::vector<double> x, int64_t y) {
                   for (double& cosine : x) cosine *= 7;
                   return naive_cross_entropy(x, y, 0);
                 }});
  for (const double margin : {0.0, 0.5, 2.0})
    all.push_back(
        {"ArcFace " + std::to_string(margin),
         [=](const at::Tensor& x, const ClassTargets& t) { return arcface_loss(x, t, {.scale = 5, .margin = margin}); },
         [=](const std::vector<double>& x, int64_t y) { return naive_arcface(x, y, 5, margin); }});
  return all;
}

TEST(ClassLosses, AgreeWithTheirDefinitions) {
  const at::Tensor x = doubles({6, 4}, 1) * 0.99;  // cosines; negative ones lie beyond π - margin for margin 2
  const Labels labels = {0, 3, 1, 1, 2, 0};
  for (const ClassLoss& own : class_losses()) {
    double expected = 0;
    for (size_t i = 0; i < labels.size(); ++i) expected += own.naive(rows(x)[i], labels[i]) / 6;
    const ClassTargets targets{.labels = as_labels(labels)};
    EXPECT_NEAR(own.loss(x, targets).item<double>(), expected, 1e-12) << own.name;
    expect_gradient([&](const at::Tensor& y) { return own.loss(y, targets); }, x, own.name);
  }
}

TEST(ClassLosses, MixTheLossesOfTwoLabels) {
  const at::Tensor x = doubles({3, 4}, 1) * 0.99;
  const Labels labels = {0, 3, 1};
  const Labels others = {1, 3, 2};
  for (const at::Tensor& share : {at::tensor({0.3, 1.0, 0.75}, at::kDouble), at::full({}, 0.6, at::kDouble)}) {
    const auto shares = values(share.expand({3}));
    for (const ClassLoss& own : class_losses()) {
      double expected = 0;
      for (size_t i = 0; i < 3; ++i)
        expected +=
            (shares[i] * own.naive(rows(x)[i], labels[i]) + (1 - shares[i]) * own.naive(rows(x)[i], others[i])) / 3;
      const ClassTargets targets{.labels = as_labels(labels), .other_labels = as_labels(others), .share = share};
      EXPECT_NEAR(own.loss(x, targets).item<double>(), expected, 1e-12) << own.name;
      expect_gradient([&](const at::Tensor& y) { return own.loss(y, targets); }, x, own.name);
    }
  }
}

TEST(ClassLosses, AreFiniteForExtremes) {
  for (const ClassLoss& own : class_losses()) {
    const double largest = own.name.starts_with("cross") ? 1e4 : 1;  // the others take cosines
    const at::Tensor x = at::tensor({largest, -largest, 0.0, -largest, largest, largest}, at::kFloat).view({2, 3});
    for (const Labels& labels : {Labels{0, 0}, Labels{1, 1}})
      expect_finite([&](const at::Tensor& y) { return own.loss(y, {.labels = as_labels(labels)}); }, x, own.name);
  }
}

TEST(ClassLosses, OfASingleClassAreZero) {
  for (const ClassLoss& own : class_losses())
    EXPECT_NEAR(own.loss(doubles({3, 1}, 1) * 0.9, {.labels = as_labels({0, 0, 0})}).item<double>(), 0, 1e-12)
        << own.name;
}

TEST(ArcFace, FallsAllTheWayToTheOppositeOfItsClass) {
  // The logit of the own class, from the loss against one other class of cosine 0: log(1 + exp(-scale × logit)).
  double last = std::numeric_limits<double>::infinity();
  for (int degrees = 0; degrees <= 180; ++degrees) {
    const double cosine = std::cos(degrees * std::numbers::pi / 180);
    const at::Tensor x = at::tensor({cosine, 0.0}, at::kDouble).view({1, 2});
    const double loss = arcface_loss(x, {.labels = as_labels({0})}, {.scale = 1, .margin = 0.8}).item<double>();
    const double logit = -std::log(std::expm1(loss));
    if (degrees > 0) {
      EXPECT_LT(logit, last) << degrees;
      EXPECT_LT(last - logit, 0.02) << degrees;  // a degree is 0.0175: no jump where the two parts meet
    }
    last = logit;
  }
}

// ---- Episodes and batches of classes

double naive_prototypical(const Rows& e, const Labels& labels, size_t num_support) {
  Labels classes(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(num_support));
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  double sum = 0;
  double count = 0;
  for (size_t q = num_support; q < e.size(); ++q) {
    std::vector<double> logits;
    int64_t own = -1;
    for (const int64_t cls : classes) {
      if (cls == labels[q]) own = static_cast<int64_t>(logits.size());
      std::vector<double> prototype(e[0].size(), 0.0);
      double members = 0;
      for (size_t s = 0; s < num_support; ++s) members += labels[s] == cls ? 1 : 0;
      for (size_t s = 0; s < num_support; ++s)
        for (size_t k = 0; k < prototype.size(); ++k) prototype[k] += labels[s] == cls ? e[s][k] / members : 0;
      logits.push_back(-squared_distance(e[q], prototype));
    }
    if (own < 0) continue;
    sum += naive_cross_entropy(logits, own, 0);
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

TEST(Prototypical, AgreesWithTheDefinition) {
  const std::pair<Labels, int64_t> cases[] = {
      {{7, 2, 2, 7, 7, 2, 7}, 3}, {{0, 1, 2, 2, 1, 0, 1}, 3}, {{0, 1, 0, 1, 5, 0, 1}, 4}, {{3, 3, 3, 3, 3, 3, 3}, 2}};
  for (const auto& [labels, num_support] : cases) {
    const at::Tensor embeddings = doubles({7, 4}, 1);
    const Loss loss = [&, &labels = labels, &num_support = num_support](const at::Tensor& x) {
      return prototypical_loss(x, as_labels(labels), num_support);
    };
    EXPECT_NEAR(loss(embeddings).item<double>(),
                naive_prototypical(rows(embeddings), labels, static_cast<size_t>(num_support)), 1e-12);
    expect_gradient(loss, embeddings);
  }
}

TEST(Prototypical, IsFiniteForEqualAndForFarEmbeddings) {
  const Loss loss = [](const at::Tensor& x) { return prototypical_loss(x, as_labels({0, 1, 0, 1}), 2); };
  expect_finite(loss, at::full({4, 3}, 0.5, at::kFloat));
  expect_finite(loss, noise_tensor({4, 3}, 1) * 1e4);
  for (const int64_t num_support : {0, 4, 9})
    EXPECT_EQ(
        rejected_parameter([&] { prototypical_loss(noise_tensor({4, 3}, 1), as_labels({0, 1, 0, 1}), num_support); }),
        "num_support");
}

/// Khosla et al. 2020, equation 2, averaged over the anchors that have positives.
double naive_supervised_contrastive(Rows e, const Labels& labels, double temperature) {
  for (auto& row : e) {
    const double length = std::sqrt(squared_distance(row, std::vector<double>(row.size(), 0.0)));
    for (double& value : row) value /= length;
  }
  const auto similarity = [&](size_t i, size_t j) {
    double sum = 0;
    for (size_t k = 0; k < e[i].size(); ++k) sum += e[i][k] * e[j][k];
    return sum / temperature;
  };
  double sum = 0;
  double count = 0;
  for (size_t i = 0; i < e.size(); ++i) {
    double all = 0;
    for (size_t a = 0; a < e.size(); ++a) all += a == i ? 0 : std::exp(similarity(i, a));
    double own = 0;
    double positives = 0;
    for (size_t p = 0; p < e.size(); ++p) {
      if (p == i || labels[p] != labels[i]) continue;
      own -= similarity(i, p) - std::log(all);
      ++positives;
    }
    if (positives == 0) continue;
    sum += own / positives;
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

TEST(SupervisedContrastive, AgreesWithTheDefinition) {
  for (const Labels& labels : {Labels{0, 0, 1, 1, 1, 2}, Labels{0, 1, 2, 0, 1, 2}, Labels{3, 3, 3, 3, 3, 3}}) {
    for (const double temperature : {0.1, 0.5, 2.0}) {
      const at::Tensor embeddings = doubles({6, 4}, 1);
      const Loss loss = [&](const at::Tensor& x) {
        return supervised_contrastive_loss(x, as_labels(labels), {.temperature = temperature});
      };
      EXPECT_NEAR(loss(embeddings).item<double>(), naive_supervised_contrastive(rows(embeddings), labels, temperature),
                  1e-12);
      expect_gradient(loss, embeddings);
    }
  }
}

/// Chen et al. 2020, equation 1: 2 views of n clips, the other view the only positive.
TEST(SupervisedContrastive, WithTwoClipsAClassIsNtXent) {
  const at::Tensor embeddings = doubles({6, 4}, 1);
  const at::Tensor units = embeddings / at::linalg_vector_norm(embeddings, 2, {1}, true);
  const auto similarity = rows(units.matmul(units.t()) / 0.5);
  double expected = 0;
  for (size_t i = 0; i < 6; ++i) {
    double all = 0;
    for (size_t k = 0; k < 6; ++k) all += k == i ? 0 : std::exp(similarity[i][k]);
    expected -= std::log(std::exp(similarity[i][(i + 3) % 6]) / all) / 6;
  }
  EXPECT_NEAR(
      supervised_contrastive_loss(embeddings, as_labels({0, 1, 2, 0, 1, 2}), {.temperature = 0.5}).item<double>(),
      expected, 1e-12);
}

TEST(SupervisedContrastive, IsFiniteAtTheEdges) {
  const auto loss = [](const Labels& labels) {
    return [labels](const at::Tensor& x) { return supervised_contrastive_loss(x, as_labels(labels), {}); };
  };
  expect_finite(loss({0, 0, 1}), at::zeros({3, 4}, at::kFloat));
  expect_finite(loss({0, 0, 1}), at::full({3, 4}, 1e4, at::kFloat));
  for (const Labels& labels : {Labels{0, 1, 2}, Labels{0}}) {  // no positive
    const auto size = static_cast<int64_t>(labels.size());
    const at::Tensor embeddings = noise_tensor({size, 4}, 1);
    EXPECT_EQ(loss(labels)(embeddings).item<double>(), 0);
    EXPECT_EQ(values(gradient_of(loss(labels), embeddings)), std::vector<double>(static_cast<size_t>(4 * size), 0));
  }
}

// ---- Any of them

TEST(LossOptions, AreChecked) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::pair<const char*, LossOptions> cases[] = {
      {"weight", BinaryCrossentropyOptions{.weight = 0}},
      {"weight", PrototypicalOptions{.weight = kNaN}},
      {"weight", ClassMemoryOptions{.weight = kInfinity}},
      {"margin", ContrastiveOptions{.margin = 0}},
      {"margin", TripletOptions{.margin = kInfinity}},
      {"label_smoothing", CrossEntropyOptions{.label_smoothing = 1}},
      {"label_smoothing", CrossEntropyOptions{.label_smoothing = -0.1}},
      {"scale", CosineSoftmaxOptions{.scale = -1}},
      {"scale", ArcFaceOptions{.scale = kNaN}},
      {"margin", ArcFaceOptions{.margin = 3.2}},
      {"temperature", SupervisedContrastiveOptions{.temperature = 0}},
  };
  for (const auto& [name, options] : cases)
    EXPECT_EQ(rejected_parameter([&options = options] { check(options); }), name);
  EXPECT_NO_THROW(check(ArcFaceOptions{}));
  EXPECT_EQ(loss_weight(ClassMemoryOptions{}), 0.01);
  EXPECT_EQ(rejected_parameter([] { parse_mining("semihard"); }), "mining");
  EXPECT_EQ(rejected_parameter([] { parse_contrastive_form("d"); }), "form");
  EXPECT_EQ(rejected_parameter([] { parse_triplet_distance("l1"); }), "distance");
  EXPECT_EQ(rejected_parameter([] { parse_memory_schedule("paper"); }), "schedule");
}

TEST(HasCollapsed, TellsOneEmbeddingFromSeveral) {
  const at::Tensor one = noise_tensor({1, 16}, 1).expand({8, 16});
  const at::Tensor noise = noise_tensor({8, 16}, 2);
  EXPECT_TRUE(has_collapsed(one));
  EXPECT_TRUE(has_collapsed(one + noise * 1e-6));
  EXPECT_TRUE(has_collapsed(at::zeros({8, 16}, at::kFloat)));
  EXPECT_FALSE(has_collapsed(one + noise * 1e-2));
  EXPECT_FALSE(has_collapsed(noise));
  EXPECT_FALSE(has_collapsed(noise * 1e-20));  // small, but not one
  EXPECT_FALSE(has_collapsed(one.narrow(0, 0, 1)));
  EXPECT_FALSE(has_collapsed(at::full({8, 16}, std::numeric_limits<float>::quiet_NaN(), at::kFloat)));
  EXPECT_FALSE(has_collapsed(at::cat({one, noise.narrow(0, 0, 1)})));  // one clip is enough
}

}  // namespace
}  // namespace siamaudio

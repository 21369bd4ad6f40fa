#include "model/classifier.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "expect.h"
#include "model/init.h"
#include "tensors.h"

namespace siamaudio {
namespace {

TEST(Classifier, GivesWeightedSumsOrCosines) {
  for (const ClassifierKind kind : {ClassifierKind::kLinear, ClassifierKind::kCosine}) {
    const Classifier classifier(6, 4, kind, make_generator(at::kCPU, 1));
    const bool is_linear = kind == ClassifierKind::kLinear;
    ASSERT_EQ(classifier.parameters().size(), is_linear ? 2U : 1U);
    if (is_linear) named(classifier.parameters(), "bias").copy_(noise_tensor({4}, 2));
    const at::Tensor x = noise_tensor({3, 6}, 3) * 5;
    const auto input = values(x);
    const auto weight = values(named(classifier.parameters(), "weight"));
    std::vector<double> expected;
    for (size_t clip = 0; clip < 3; ++clip)
      for (size_t c = 0; c < 4; ++c) {
        double product = 0;
        double input_square = 0;
        double weight_square = 0;
        for (size_t i = 0; i < 6; ++i) {
          product += input[clip * 6 + i] * weight[c * 6 + i];
          input_square += input[clip * 6 + i] * input[clip * 6 + i];
          weight_square += weight[c * 6 + i] * weight[c * 6 + i];
        }
        expected.push_back(is_linear ? product + values(named(classifier.parameters(), "bias"))[c]
                                     : product / std::sqrt(input_square * weight_square));
      }
    expect_close(values(classifier.forward(x)), expected, 2e-6);
    EXPECT_EQ(classifier.num_classes(), 4);
    EXPECT_EQ(classifier.kind(), kind);
  }
}

TEST(Classifier, OfAZeroEmbeddingHasFiniteGradients) {
  const Classifier classifier(6, 4, ClassifierKind::kCosine, make_generator(at::kCPU, 1));
  const at::Tensor x = make_tensor(std::vector<float>(6), {1, 6}).requires_grad_(true);
  classifier.forward(x).sum().backward();
  for (const double slope : values(x.grad())) EXPECT_TRUE(std::isfinite(slope));
}

TEST(Classifier, KindIsParsed) {
  EXPECT_EQ(parse_classifier_kind("linear"), ClassifierKind::kLinear);
  EXPECT_EQ(parse_classifier_kind("cosine"), ClassifierKind::kCosine);
  EXPECT_EQ(rejected_parameter([] { parse_classifier_kind("arc"); }), "classifier");
}

}  // namespace
}  // namespace siamaudio

#include "model/calibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "expect.h"
#include "tensors.h"

namespace siamaudio {
namespace {

constexpr size_t kDim = 5;
const std::vector<int64_t> kLabels{0, 2, 0, 2, 2, 0, 4, 4, 0, 2, 4, 3};  // no clip of class 1, one of class 3

std::vector<double> directions(const at::Tensor& embeddings, double power) {
  auto data = values(embeddings);
  for (double& value : data) value = std::copysign(std::pow(std::abs(value), power), value);
  for (size_t clip = 0; clip < data.size() / kDim; ++clip) {
    double square = 0;
    for (size_t i = 0; i < kDim; ++i) square += data[clip * kDim + i] * data[clip * kDim + i];
    for (size_t i = 0; i < kDim; ++i) data[clip * kDim + i] /= std::sqrt(square);
  }
  return data;
}

TEST(Calibration, CentresAndWhitensWithinClasses) {
  const auto num_clips = static_cast<int64_t>(kLabels.size());
  const at::Tensor embeddings = noise_tensor({num_clips, static_cast<int64_t>(kDim)}, 1) * 3;
  for (const auto& [power, shrinkage] : {std::pair{1.0, 0.01}, {0.5, 0.7}, {0.3, 1.0}}) {
    const Calibration calibration = fit_calibration(embeddings, kLabels, {.power = power, .shrinkage = shrinkage});
    const auto data = directions(embeddings, power);
    std::vector<double> mean(kDim);
    std::vector<double> class_means(5 * kDim);
    std::vector<double> counts(5);
    for (const int64_t label : kLabels) ++counts[static_cast<size_t>(label)];
    for (size_t clip = 0; clip < kLabels.size(); ++clip)
      for (size_t i = 0; i < kDim; ++i) {
        const auto label = static_cast<size_t>(kLabels[clip]);
        mean[i] += data[clip * kDim + i] / static_cast<double>(num_clips);
        class_means[label * kDim + i] += data[clip * kDim + i] / counts[label];
      }
    expect_close(values(calibration.mean), mean, 1e-7);

    std::vector<double> covariance(kDim * kDim);
    double trace = 0;
    for (size_t i = 0; i < kDim; ++i)
      for (size_t j = 0; j < kDim; ++j) {
        for (size_t clip = 0; clip < kLabels.size(); ++clip) {
          const auto* centre = &class_means[static_cast<size_t>(kLabels[clip]) * kDim];
          covariance[i * kDim + j] += (data[clip * kDim + i] - centre[i]) * (data[clip * kDim + j] - centre[j]) /
                                      static_cast<double>(num_clips);
        }
        if (i == j) trace += covariance[i * kDim + j];
      }
    for (size_t i = 0; i < kDim; ++i)
      for (size_t j = 0; j < kDim; ++j)
        covariance[i * kDim + j] = (1 - shrinkage) * covariance[i * kDim + j] + (i == j ? shrinkage * trace / kDim : 0);

    // The symmetric square root of the inverse is the one symmetric, positive M with M S' M = I.
    const auto matrix = values(calibration.matrix);
    double matrix_trace = 0;
    for (size_t i = 0; i < kDim; ++i) {
      matrix_trace += matrix[i * kDim + i];
      for (size_t j = 0; j < kDim; ++j) {
        double whitened = 0;
        for (size_t k = 0; k < kDim; ++k)
          for (size_t l = 0; l < kDim; ++l)
            whitened += matrix[i * kDim + k] * covariance[k * kDim + l] * matrix[l * kDim + j];
        EXPECT_NEAR(whitened, i == j ? 1 : 0, 1e-5) << shrinkage << ": " << i << ", " << j;
        EXPECT_NEAR(matrix[i * kDim + j], matrix[j * kDim + i], 1e-5);
      }
    }
    EXPECT_GT(matrix_trace, 0);

    std::vector<double> expected;
    for (size_t clip = 0; clip < kLabels.size(); ++clip)
      for (size_t j = 0; j < kDim; ++j) {
        double sum = 0;
        for (size_t i = 0; i < kDim; ++i) sum += (data[clip * kDim + i] - mean[i]) * matrix[i * kDim + j];
        expected.push_back(sum);
      }
    expect_close(values(calibrate(embeddings, calibration)), expected, 1e-5);
  }
}

TEST(Calibration, NeedsEmbeddingsThatVaryWithinAClass) {
  const at::Tensor embeddings = noise_tensor({4, 3}, 1);
  const auto rejected = [&](const at::Tensor& values, const std::vector<int64_t>& labels, double shrinkage = 0.7,
                            double power = 0.5) {
    return rejected_parameter([&] { fit_calibration(values, labels, {.power = power, .shrinkage = shrinkage}); });
  };
  EXPECT_EQ(rejected(embeddings, {0, 0, 1, 1}), "(no error)");
  EXPECT_EQ(rejected(embeddings, {0, 1, 2, 3}), "embeddings");
  EXPECT_EQ(rejected(embeddings.narrow(0, 0, 1).repeat({4, 1}), {0, 0, 1, 1}), "embeddings");
  EXPECT_EQ(rejected(embeddings / make_tensor({1, 1, 0, 1}, {4, 1}), {0, 0, 1, 1}), "embeddings");
  EXPECT_EQ(rejected(embeddings, {0, 0, 1}), "labels");
  EXPECT_EQ(rejected(embeddings, {0, 0, 1, -1}), "labels");
  EXPECT_EQ(rejected(embeddings.narrow(0, 0, 0), {}), "labels");
  for (const double share : {0.0, -0.1, 1.1, std::nan("")}) {
    EXPECT_EQ(rejected(embeddings, {0, 0, 1, 1}, share), "shrinkage");
    EXPECT_EQ(rejected(embeddings, {0, 0, 1, 1}, 0.7, share), "power");
  }
}

}  // namespace
}  // namespace siamaudio

// What the tests share: comparison with an oracle, the parameter that an error names, reproducible noise.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "base/errors.h"

namespace siamaudio {

/// Fails where sizes differ or |actual - expected| > tolerance (NaN included), and reports the worst element.
template <typename Actual, typename Expected>
void expect_close(const Actual& actual, const Expected& expected, double tolerance, const std::string& what = "") {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  size_t worst = 0;
  double largest = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error =
        actual[i] == expected[i] ? 0 : std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    if (!(error <= largest)) {
      worst = i;
      largest = error;
      if (std::isnan(error)) break;
    }
  }
  EXPECT_TRUE(largest <= tolerance) << what << ": element " << worst << " is " << actual[worst] << ", expected "
                                    << expected[worst] << " ± " << tolerance;
}

/// The parameter that `call` rejects; says so where it throws nothing or something else.
template <typename Call>
std::string rejected_parameter(const Call& call) {
  try {
    call();
  } catch (const ParameterError& error) {
    return error.parameter;
  } catch (const std::exception& error) {
    return std::string("(another error: ") + error.what() + ")";
  }
  return "(no error)";
}

/// Uniform in [-1, 1), the same on every platform.
inline std::vector<float> noise(int64_t size, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<float> values(static_cast<size_t>(size));
  for (auto& value : values) value = static_cast<float>(static_cast<double>(engine() >> 40) / (1 << 23) - 1);
  return values;
}

}  // namespace siamaudio

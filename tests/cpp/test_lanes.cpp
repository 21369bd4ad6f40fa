#include "simd/lanes.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace siamaudio {
namespace {

// Wider lanes are the kernels' own business; the baseline's run wherever this test does.
using Number = Lane<4>;

TEST(Lane, CountsAsItsNumbersDo) {
  const float values[] = {1.5F, -2.0F, 0.25F, 8.0F};
  const Number a = Number::load(values);
  const Number b(2);
  float result[4];
  const auto expect = [&](Number actual, const auto& function) {
    actual.store(result);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(result[i], function(values[i]));
  };
  expect(a + b, [](float x) { return x + 2; });
  expect(a - b, [](float x) { return x - 2; });
  expect(a * b, [](float x) { return x * 2; });
  expect(a / b, [](float x) { return x / 2; });
  expect(3 * a, [](float x) { return 3 * x; });
  expect(-a, [](float x) { return -x; });
  expect(max(a, Number(1)), [](float x) { return std::max(x, 1.0F); });
  expect(sqrt(a * a), [](float x) { return std::abs(x); });
}

TEST(Lane, MaxKeepsWhatIsNotANumber) {
  const Number nan(std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(std::isnan(max(nan, Number(1)).v[0]));
}

TEST(Lane, LogarithmIsWithinTwoUnitsInTheLastPlace) {
  // Every 1,009th of the positive finite numbers, subnormal ones included.
  for (uint32_t bits = 1; bits < 0x7F800000; bits += 1009) {
    const auto x = std::bit_cast<float>(bits);
    const float actual = log(Number(x)).v[2];
    const double expected = std::log(static_cast<double>(x));
    const double unit = std::numeric_limits<float>::epsilon() * std::max(std::abs(expected), 1e-30);
    ASSERT_NEAR(actual, expected, 2 * unit) << x;
  }
}

TEST(Lane, LogarithmOfWhatHasNone) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(log(Number(0.0F)).v[0], -kInfinity);
  EXPECT_EQ(log(Number(-0.0F)).v[0], -kInfinity);
  EXPECT_EQ(log(Number(kInfinity)).v[0], kInfinity);
  EXPECT_TRUE(std::isnan(log(Number(-1.0F)).v[0]));
  EXPECT_TRUE(std::isnan(log(Number(std::numeric_limits<float>::quiet_NaN())).v[0]));
}

TEST(Lane, TransposeTurnsRowsIntoColumns) {
  Number rows[4];
  for (int row = 0; row < 4; ++row)
    for (int column = 0; column < 4; ++column) rows[row].v[column] = static_cast<float>(10 * row + column);
  transpose(rows);
  for (int row = 0; row < 4; ++row)
    for (int column = 0; column < 4; ++column) EXPECT_EQ(rows[row].v[column], static_cast<float>(10 * column + row));
}

}  // namespace
}  // namespace siamaudio

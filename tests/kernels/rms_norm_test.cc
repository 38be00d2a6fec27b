// SPDX-License-Identifier: Apache-2.0
#include "kernels/rms_norm.h"

#include <cmath>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/kernels/bf16_vectors.h"
#include "tests/kernels/run_kernels.h"

namespace pivot {
namespace {

constexpr int64_t kRows = 3;
constexpr float kEpsilon = 1e-5F;
// The mean square of such values is near kEpsilon, which then counts.
constexpr float kSmall = 0.003F;
constexpr uint16_t kOne = 0x3F80;
constexpr uint16_t kNegativeZero = 0x8000;

enum class Roundings { kNone, kAfter, kBoth };

class RmsNormTest : public ::testing::TestWithParam<std::tuple<TestDevice, int64_t>> {
 protected:
  void SetUp() override {
    if (!IsAvailable(device())) GTEST_SKIP() << "no GPU";
  }
  static TestDevice device() { return std::get<0>(GetParam()); }
  static int64_t columns() { return std::get<1>(GetParam()); }
  static std::vector<uint16_t> Rows(unsigned seed, float scale) { return RandomBf16(kRows * columns(), seed, scale); }
  static std::vector<uint16_t> Weight() { return RandomBf16(columns(), 99, 1); }

  static std::vector<uint16_t> Run(const std::vector<uint16_t>& x, const std::vector<uint16_t>& weight,
                                   int64_t offset = 0) {
    return RmsNormOn(device(), {.rows = kRows, .columns = columns(), .epsilon = kEpsilon}, x, weight, offset);
  }

  static std::vector<double> InDoublePrecision(const std::vector<uint16_t>& x, const std::vector<uint16_t>& weight,
                                               double epsilon, Roundings roundings) {
    std::vector<double> out;
    for (int64_t row = 0; row < kRows; ++row) {
      const uint16_t* first = x.data() + row * columns();
      double sum = 0;
      for (int64_t i = 0; i < columns(); ++i) sum += Exact(first[i]) * Exact(first[i]);
      for (int64_t i = 0; i < columns(); ++i) {
        const double value = Exact(first[i]) / std::sqrt(sum / static_cast<double>(columns()) + epsilon);
        const double normalized = roundings == Roundings::kBoth ? Rounded(value) : value;
        const double product = normalized * Exact(weight[static_cast<size_t>(i)]);
        out.push_back(roundings == Roundings::kNone ? product : Rounded(product));
      }
    }
    return out;
  }
};

TEST_P(RmsNormTest, HasUnitMeanSquare) {
  const std::vector<uint16_t> out = Run(Rows(1, 1000), std::vector<uint16_t>(static_cast<size_t>(columns()), kOne));
  for (int64_t row = 0; row < kRows; ++row) {
    double sum = 0;
    for (int64_t i = 0; i < columns(); ++i) {
      const double value = Exact(out[static_cast<size_t>(row * columns() + i)]);
      sum += value * value;
    }
    // One rounding of each value, twice as much in its square; epsilon is nothing beside a million.
    EXPECT_NEAR(sum / static_cast<double>(columns()), 1, kTwoRoundings);
  }
}

// Also with values whose squares are near the end of float's range, and at addresses that no wide access can take. The
// longest sum, of 2048 squares in a lane on the CPU, is off by 2^-13 at most, its root by half as much: what
// kTwoRoundings leaves for fp32.
TEST_P(RmsNormTest, AgreesWithDoublePrecision) {
  const std::vector<uint16_t> weight = Weight();
  for (const float scale : {kSmall, 1.0F, 1e15F}) {
    const std::vector<uint16_t> x = Rows(2, scale);
    const std::vector<double> exact = InDoublePrecision(x, weight, kEpsilon, Roundings::kNone);
    for (const int64_t offset : {0, 3})
      EXPECT_EQ(CountBeyondTwoRoundings(Run(x, weight, offset), exact), 0) << "scale " << scale << " offset " << offset;
  }
}

TEST_P(RmsNormTest, DisagreesWithAnotherEpsilon) {
  const std::vector<uint16_t> x = Rows(2, kSmall);
  const std::vector<double> exact = InDoublePrecision(x, Weight(), kEpsilon / 10, Roundings::kNone);
  EXPECT_EQ(CountBeyondTwoRoundings(Run(x, Weight()), exact), kRows * columns());
}

// fp32 ends on the other side of a tie of bf16 now and then; a rounding left out shows in a fourth of all values.
TEST_P(RmsNormTest, RoundsBeforeTheWeightAndAfterIt) {
  if (columns() < 100) GTEST_SKIP() << "too few values to count";
  const std::vector<uint16_t> x = Rows(3, 1);
  const std::vector<uint16_t> out = Run(x, Weight());
  const int64_t count = kRows * columns();
  EXPECT_LT(CountOthers(out, InDoublePrecision(x, Weight(), kEpsilon, Roundings::kBoth)), count / 100);
  EXPECT_GT(CountOthers(out, InDoublePrecision(x, Weight(), kEpsilon, Roundings::kAfter)), count / 10);
}

TEST_P(RmsNormTest, GivesEqualBitsEachTime) {
  const std::vector<uint16_t> x = Rows(4, 1);
  EXPECT_EQ(Run(x, Weight()), Run(x, Weight()));
}

TEST_P(RmsNormTest, KeepsTheSignsOfZeros) {
  std::vector<uint16_t> x(static_cast<size_t>(kRows * columns()), 0);
  for (size_t i = 0; i < x.size(); i += 2) x[i] = kNegativeZero;
  EXPECT_EQ(Run(x, std::vector<uint16_t>(static_cast<size_t>(columns()), kOne)), x);
}

TEST_P(RmsNormTest, KeepsNanInItsRow) {
  std::vector<uint16_t> x = Rows(5, 1);
  std::vector<uint16_t> expected = Run(x, Weight());
  x[static_cast<size_t>(2 * columns() - 1)] = 0x7FC0;
  const std::vector<uint16_t> out = Run(x, Weight());
  for (size_t i = 0; i < out.size(); ++i) {
    if (static_cast<int64_t>(i) / columns() == 1) {
      EXPECT_TRUE(IsNan(out[i])) << i;
    } else {
      EXPECT_EQ(out[i], expected[i]) << i;
    }
  }
}

TEST_P(RmsNormTest, GivesZerosWhenTheSquaresOverflow) {
  const std::vector<uint16_t> x(static_cast<size_t>(kRows * columns()), FloatToBf16(3e38F));
  EXPECT_THAT(Run(x, std::vector<uint16_t>(static_cast<size_t>(columns()), kOne)), ::testing::Each(0));
}

// On a GPU: one run of eight, single values, one to eight runs a thread, wider blocks, single values of wide rows.
INSTANTIATE_TEST_SUITE_P(Columns, RmsNormTest,
                         ::testing::Combine(::testing::ValuesIn(TestDevices()),
                                            ::testing::Values(1, 8, 37, 576, 4096, 8192, 14336, 16388, 32768)),
                         [](const auto& test) {
                           return DeviceLabel(std::get<0>(test.param)) + "_columns" +
                                  std::to_string(std::get<1>(test.param));
                         });

}  // namespace
}  // namespace pivot

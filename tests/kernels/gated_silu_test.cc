// SPDX-License-Identifier: Apache-2.0
#include "kernels/gated_silu.h"

#include <cmath>
#include <limits>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/kernels/bf16_vectors.h"
#include "tests/kernels/run_kernels.h"

namespace pivot {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

double Silu(double x) { return x / (1 + std::exp(-x)); }

std::vector<double> InDoublePrecision(const std::vector<uint16_t>& gate, const std::vector<uint16_t>& up) {
  std::vector<double> out;
  for (size_t i = 0; i < gate.size(); ++i) out.push_back(Silu(Exact(gate[i])) * Exact(up[i]));
  return out;
}

class GatedSiluTest : public ::testing::TestWithParam<std::tuple<TestDevice, int64_t>> {
 protected:
  void SetUp() override {
    if (!IsAvailable(device())) GTEST_SKIP() << "no GPU";
  }
  static TestDevice device() { return std::get<0>(GetParam()); }
  static int64_t count() { return std::get<1>(GetParam()); }
};

// exp, one addition and a division add a few units of float's last place to the two roundings. Gates go down to where
// exp(-gate) is infinite, and silu, still 1e-36, becomes 0.
TEST_P(GatedSiluTest, AgreesWithDoublePrecision) {
  const std::vector<uint16_t> up = RandomBf16(count(), 2, 1);
  for (const float scale : {0.01F, 4.0F, 60.0F}) {
    const std::vector<uint16_t> gate = RandomBf16(count(), 1, scale);
    const std::vector<double> exact = InDoublePrecision(gate, up);
    std::vector<double> tolerance;
    for (const double value : exact) tolerance.push_back(std::abs(value) * kTwoRoundings + 1e-35);
    for (const int64_t offset : {0, 1}) {
      EXPECT_EQ(CountBeyond(GatedSiluOn(device(), gate, up, offset), exact, tolerance), 0)
          << "scale " << scale << " offset " << offset;
    }
  }
}

TEST_P(GatedSiluTest, DisagreesWhereOneFactorIsEightUnitsOff) {
  const std::vector<uint16_t> gate = RandomBf16(count(), 3, 1);
  std::vector<uint16_t> up = RandomBf16(count(), 4, 1);
  const std::vector<uint16_t> out = GatedSiluOn(device(), gate, up, 0);
  up.back() = static_cast<uint16_t>(up.back() + 8);
  EXPECT_EQ(CountBeyondTwoRoundings(out, InDoublePrecision(gate, up)), 1);
}

// fp32 ends on the other side of a tie of bf16 now and then; a rounding left out shows in a fourth of all values.
TEST_P(GatedSiluTest, RoundsBeforeTheFactorAndAfterIt) {
  if (count() < 1000) GTEST_SKIP() << "too few values to count";
  const std::vector<uint16_t> gate = RandomBf16(count(), 5, 1);
  const std::vector<uint16_t> up = RandomBf16(count(), 6, 1);
  std::vector<double> rounded;
  for (size_t i = 0; i < gate.size(); ++i) rounded.push_back(Rounded(Silu(Exact(gate[i]))) * Exact(up[i]));
  const std::vector<uint16_t> out = GatedSiluOn(device(), gate, up, 0);
  EXPECT_LT(CountOthers(out, rounded), count() / 100);
  EXPECT_GT(CountOthers(out, InDoublePrecision(gate, up)), count() / 10);
}

// On a GPU: single values, a run of eight, both, several thread blocks.
INSTANTIATE_TEST_SUITE_P(Counts, GatedSiluTest,
                         ::testing::Combine(::testing::ValuesIn(TestDevices()),
                                            ::testing::Values(1, 7, 8, 37, 576, 4099, 14336 * 5)),
                         [](const auto& test) {
                           return DeviceLabel(std::get<0>(test.param)) + "_count" +
                                  std::to_string(std::get<1>(test.param));
                         });

class GatedSiluEdgeTest : public ::testing::TestWithParam<TestDevice> {
 protected:
  void SetUp() override {
    if (!IsAvailable(GetParam())) GTEST_SKIP() << "no GPU";
  }
  /// One value among seven ones, so that it is part of a run.
  static uint16_t Of(float gate, float up) {
    std::vector<uint16_t> gates(8, FloatToBf16(1));
    std::vector<uint16_t> ups(8, FloatToBf16(1));
    gates[5] = FloatToBf16(gate);
    ups[5] = FloatToBf16(up);
    const std::vector<uint16_t> out = GatedSiluOn(GetParam(), gates, ups, 0);
    for (size_t i = 0; i < out.size(); ++i) EXPECT_TRUE(i == 5 || out[i] == FloatToBf16(0.73105858F)) << i;
    return out[5];
  }
};

TEST_P(GatedSiluEdgeTest, KeepsTheSignOfZero) {
  EXPECT_EQ(Of(-0.0F, 1), 0x8000);
  EXPECT_EQ(Of(0.0F, 1), 0);
  EXPECT_EQ(Of(-1000, 1), 0x8000);
  EXPECT_EQ(Of(-3e38F, 1), 0x8000);
}

TEST_P(GatedSiluEdgeTest, PassesBigGatesOnUntilTheyOverflow) {
  EXPECT_EQ(Of(1e38F, 2), FloatToBf16(2 * Bf16ToFloat(FloatToBf16(1e38F))));
  EXPECT_EQ(Of(3e38F, -2), FloatToBf16(-kInfinity));
  EXPECT_EQ(Of(kInfinity, 1), FloatToBf16(kInfinity));
}

TEST_P(GatedSiluEdgeTest, KeepsNanInItsPlace) {
  EXPECT_TRUE(IsNan(Of(kNan, 1)));
  EXPECT_TRUE(IsNan(Of(1, kNan)));
  EXPECT_TRUE(IsNan(Of(-kInfinity, 1)));
}

INSTANTIATE_TEST_SUITE_P(Devices, GatedSiluEdgeTest, ::testing::ValuesIn(TestDevices()),
                         [](const auto& test) { return DeviceLabel(test.param); });

}  // namespace
}  // namespace pivot

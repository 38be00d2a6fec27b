// SPDX-License-Identifier: Apache-2.0
#include "kernels/rotary.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/kernels/bf16_vectors.h"
#include "tests/kernels/run_kernels.h"

namespace pivot {
namespace {

constexpr int64_t kWindows = 3;
constexpr int64_t kLength = 7;
constexpr int64_t kTokens = kWindows * kLength;

struct Case {
  TestDevice device;
  int64_t heads;
  int64_t head_dim;
};

enum class Roundings { kNone, kAll };

/// Where the heads lie in a wider row.
struct Slice {
  int64_t offset = 0;
  int64_t extra = 0;  // row's elements beside the heads
};

class RotaryTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!IsAvailable(GetParam().device)) GTEST_SKIP() << "no GPU";
    for (int64_t position = 0; position < kLength; ++position) {
      for (int64_t i = 0; i < head_dim(); ++i) {
        const auto pair = static_cast<double>(i % (head_dim() / 2));
        const double angle =
            static_cast<double>(position) * std::pow(10000.0, -2 * pair / static_cast<double>(head_dim()));
        cosine_.push_back(FloatToBf16(static_cast<float>(std::cos(angle))));
        sine_.push_back(FloatToBf16(static_cast<float>(std::sin(angle))));
      }
    }
  }
  static int64_t heads() { return GetParam().heads; }
  static int64_t head_dim() { return GetParam().head_dim; }
  static int64_t Stride(Slice slice) { return heads() * head_dim() + slice.extra; }
  static std::vector<uint16_t> Tokens(Slice slice, unsigned seed) {
    return RandomBf16(kTokens * Stride(slice), seed, 2);
  }

  std::vector<uint16_t> Run(const std::vector<uint16_t>& x, Slice slice) const {
    const RotaryInput shape{
        .tokens = kTokens, .length = kLength, .heads = heads(), .head_dim = head_dim(), .token_stride = Stride(slice)};
    return RotaryOn(GetParam().device, shape, x, slice.offset, cosine_, sine_);
  }

  struct Reference {
    std::vector<double> exact;
    // A rounding of each product and of their sum.
    std::vector<double> tolerance;
  };
  Reference InDoublePrecision(const std::vector<uint16_t>& x, Slice slice, Roundings roundings) const {
    const auto round = [&](double value) { return roundings == Roundings::kAll ? Rounded(value) : value; };
    const int64_t half = head_dim() / 2;
    Reference reference;
    for (int64_t token = 0; token < kTokens; ++token) {
      for (int64_t i = 0; i < heads() * head_dim(); ++i) {
        const auto angle = static_cast<size_t>(token % kLength * head_dim() + i % head_dim());
        const uint16_t* own = x.data() + slice.offset + token * Stride(slice) + i;
        const double turned = i % head_dim() < half ? -Exact(own[half]) : Exact(own[-half]);
        const double left = round(Exact(*own) * Exact(cosine_[angle]));
        const double right = round(turned * Exact(sine_[angle]));
        reference.exact.push_back(left + right);
        reference.tolerance.push_back((std::abs(left) + std::abs(right) + std::abs(left + right)) * kOneRounding);
      }
    }
    return reference;
  }

  std::vector<uint16_t> cosine_, sine_;
};

// The whole row, a slice whose addresses stay multiples of 16 bytes, and one whose do not.
constexpr Slice kSlices[] = {{}, {.offset = 8, .extra = 16}, {.offset = 1, .extra = 3}};

TEST_P(RotaryTest, AgreesWithDoublePrecision) {
  for (const Slice& slice : kSlices) {
    const std::vector<uint16_t> x = Tokens(slice, 1);
    const Reference reference = InDoublePrecision(x, slice, Roundings::kNone);
    EXPECT_EQ(CountBeyond(Run(x, slice), reference.exact, reference.tolerance), 0) << slice.offset;
  }
}

// Products of two bf16 are exact in fp32: no value may differ.
TEST_P(RotaryTest, RoundsBothProductsAndTheirSum) {
  for (const Slice& slice : kSlices) {
    const std::vector<uint16_t> x = Tokens(slice, 2);
    EXPECT_EQ(CountOthers(Run(x, slice), InDoublePrecision(x, slice, Roundings::kAll).exact), 0) << slice.offset;
  }
}

TEST_P(RotaryTest, DisagreesWhereOneSineIsWrong) {
  const std::vector<uint16_t> x(static_cast<size_t>(kTokens * Stride({})), FloatToBf16(1.5F));
  const std::vector<uint16_t> out = Run(x, {});
  sine_[static_cast<size_t>(3 * head_dim() + 1)] =
      FloatToBf16(Bf16ToFloat(sine_[static_cast<size_t>(3 * head_dim() + 1)]) + 0.125F);
  const Reference reference = InDoublePrecision(x, {}, Roundings::kNone);
  // That element of each head, once a window.
  EXPECT_EQ(CountBeyond(out, reference.exact, reference.tolerance), kWindows * heads());
}

TEST_P(RotaryTest, LeavesTheFirstTokenAsItIs) {
  const std::vector<uint16_t> x = Tokens({}, 3);
  const std::vector<uint16_t> out = Run(x, {});
  for (int64_t window = 0; window < kWindows; ++window) {
    const int64_t first = window * kLength * Stride({});
    for (int64_t i = first; i < first + Stride({}); ++i)
      EXPECT_EQ(Exact(out[static_cast<size_t>(i)]), Exact(x[static_cast<size_t>(i)]));
  }
}

TEST_P(RotaryTest, KeepsNanInItsPair) {
  std::vector<uint16_t> x = Tokens({}, 4);
  std::vector<bool> expected(x.size(), false);
  const auto first = static_cast<size_t>((kLength + 2) * Stride({}) + (heads() - 1) * head_dim());
  x[first] = 0x7FC0;
  expected[first] = true;
  expected[first + static_cast<size_t>(head_dim() / 2)] = true;
  EXPECT_EQ(WhereNan(Run(x, {})), expected);
}

TEST_P(RotaryTest, OverflowsToInfinityNotToNan) {
  const std::vector<uint16_t> x(static_cast<size_t>(kTokens * Stride({})), FloatToBf16(3.3e38F));
  const std::vector<uint16_t> out = Run(x, {});
  EXPECT_THAT(WhereNan(out), ::testing::Each(false));
  // cos(1) + sin(1) = 1.38 in the second half of the second token.
  EXPECT_EQ(out[static_cast<size_t>(Stride({}) + head_dim() / 2)], 0x7F80);
}

TEST_P(RotaryTest, AddsZerosAsFloatsDo) {
  const std::vector<uint16_t> x(static_cast<size_t>(kTokens * Stride({})), 0x8000);
  const std::vector<uint16_t> out = Run(x, {});
  // -0 * 1 + 0 * 0 is 0 in the first half; in the second -0 * 1 + -0 * 0 is -0.
  EXPECT_EQ(out.front(), 0);
  EXPECT_EQ(out[static_cast<size_t>(head_dim() / 2)], 0x8000);
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const TestDevice device : TestDevices()) {
    // Runs of eight: few tasks a token, many, more than a thread block has threads. Then single pairs.
    for (const int64_t heads : {1, 3, 9, 37}) cases.push_back({device, heads, 64});
    cases.push_back({device, 37, 128});
    cases.push_back({device, 5, 80});
    for (const int64_t head_dim : {2, 12, 576}) cases.push_back({device, 3, head_dim});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Shapes, RotaryTest, ::testing::ValuesIn(Cases()), [](const auto& test) {
  return DeviceLabel(test.param.device) + "_heads" + std::to_string(test.param.heads) + "_dim" +
         std::to_string(test.param.head_dim);
});

}  // namespace
}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "kernels/token_products.h"

#include <bit>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "kernels/bf16.h"

namespace pivot {
namespace {

struct Shape {
  int64_t tokens, left, right;
  ProductPart part = ProductPart::kAll;
};

std::vector<uint16_t> MakeTokens(int64_t tokens, int64_t features, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> x;
  for (int64_t i = 0; i < tokens * features; ++i)
    x.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(RoundToBf16(normal(generator))) >> 16));
  x[0] = static_cast<uint16_t>(std::bit_cast<uint32_t>(20.0F) >> 16);
  return x;
}

double ValueOf(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

std::vector<uint16_t> Packed(const std::vector<uint16_t>& x, int64_t tokens, int64_t features) {
  std::vector<uint16_t> packed(static_cast<size_t>(PackedTokensSize(tokens, features)), 0xFFFF);
  PackTokens(x.data(), tokens, features, 0, NumProductPanels(features), packed.data());
  return packed;
}

class TokenProductsTest : public ::testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    if (!HasTokenProducts()) GTEST_SKIP() << "this processor has no AVX512_BF16";
  }

  /// Begins with a sum of ones; `share` tasks at once.
  static std::vector<float> Run(const std::vector<uint16_t>& left, const std::vector<uint16_t>& right, int64_t share) {
    const Shape& shape = GetParam();
    const std::vector<uint16_t> packed_left = Packed(left, shape.tokens, shape.left);
    const std::vector<uint16_t> packed_right = Packed(right, shape.tokens, shape.right);
    std::vector<float> sum(static_cast<size_t>(shape.left * shape.right), 1.0F);
    const TokenProducts products{.tokens = shape.tokens,
                                 .left_features = shape.left,
                                 .right_features = shape.right,
                                 .part = shape.part,
                                 .left = packed_left.data(),
                                 .right = packed_right.data(),
                                 .sum = sum.data()};
    const int64_t tasks = NumProductPanels(shape.right);
    for (int64_t task = 0; task < tasks; task += share) RunTokenProducts(products, task, std::min(tasks, task + share));
    return sum;
  }
};

TEST_P(TokenProductsTest, AddsTheProductsOfAllTokens) {
  const Shape& shape = GetParam();
  const std::vector<uint16_t> left = MakeTokens(shape.tokens, shape.left, 1);
  const std::vector<uint16_t> right = MakeTokens(shape.tokens, shape.right, 2);
  const std::vector<float> sum = Run(left, right, 100);
  for (int64_t i = 0; i < shape.left; ++i) {
    for (int64_t j = 0; j < shape.right; ++j) {
      if (shape.part == ProductPart::kLower && j > i) continue;
      double expected = 1;
      double magnitude = 1;
      for (int64_t t = 0; t < shape.tokens; ++t) {
        const double product = ValueOf(left[static_cast<size_t>(t * shape.left + i)]) *
                               ValueOf(right[static_cast<size_t>(t * shape.right + j)]);
        expected += product;
        magnitude += std::abs(product);
      }
      // One rounding of half an ulp a pair, of sums that are smaller than the sum of magnitudes.
      ASSERT_NEAR(sum[static_cast<size_t>(i * shape.right + j)], expected,
                  6e-8 * magnitude * std::sqrt(static_cast<double>(shape.tokens)) + 1e-6)
          << i << " " << j;
    }
  }
}

TEST_P(TokenProductsTest, NoticesOneTokenLess) {
  const Shape& shape = GetParam();
  std::vector<uint16_t> left = MakeTokens(shape.tokens, shape.left, 1);
  const std::vector<uint16_t> right = MakeTokens(shape.tokens, shape.right, 2);
  const std::vector<float> before = Run(left, right, 100);
  std::fill(left.end() - shape.left, left.end(), uint16_t{0});
  EXPECT_NE(Run(left, right, 100)[0], before[0]);
}

TEST_P(TokenProductsTest, GivesTheSameBitsHoweverTasksAreShared) {
  const Shape& shape = GetParam();
  const std::vector<uint16_t> left = MakeTokens(shape.tokens, shape.left, 3);
  const std::vector<uint16_t> right = MakeTokens(shape.tokens, shape.right, 4);
  EXPECT_EQ(Run(left, right, 1), Run(left, right, 100));
}

INSTANTIATE_TEST_SUITE_P(Shapes, TokenProductsTest,
                         ::testing::Values(Shape{1, 1, 1}, Shape{2, 64, 64}, Shape{7, 65, 63}, Shape{700, 33, 130},
                                           Shape{1030, 70, 70, ProductPart::kLower}),
                         [](const auto& test) {
                           const Shape& shape = test.param;
                           return std::to_string(shape.tokens) + "_tokens_" + std::to_string(shape.left) + "x" +
                                  std::to_string(shape.right) + (shape.part == ProductPart::kLower ? "_lower" : "_all");
                         });

}  // namespace
}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "kernels/causal_attention.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "kernels/bf16.h"

namespace pivot {
namespace {

struct Shape {
  int64_t batch, heads, kv_heads, length, head_dim;
};

uint16_t ToBf16(float value) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(RoundToBf16(value)) >> 16); }
double FromBf16(uint16_t value) { return std::bit_cast<float>(static_cast<uint32_t>(value) << 16); }

/// [batch, heads, length, head_dim], with rows of other data between those that are read.
struct Heads {
  std::vector<uint16_t> data;
  CausalAttention::Strides strides;
  double At(int64_t batch, int64_t head, int64_t token, int64_t i) const {
    return FromBf16(data[static_cast<size_t>(batch * strides.batch + head * strides.head + token * strides.token + i)]);
  }
};

Heads MakeHeads(const Shape& shape, int64_t heads, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Heads made{.strides = {.batch = shape.length * (heads + 1) * shape.head_dim,
                         .head = shape.head_dim,
                         .token = (heads + 1) * shape.head_dim}};
  for (int64_t i = 0; i < shape.batch * made.strides.batch; ++i) made.data.push_back(ToBf16(2 * normal(generator)));
  return made;
}

class CausalAttentionTest : public ::testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    if (!HasCausalAttention()) GTEST_SKIP() << "this processor has no AVX512_BF16";
  }

  /// `share` tasks at once.
  std::vector<uint16_t> Run(int64_t share = 5) const {
    const Shape& shape = GetParam();
    std::vector<uint16_t> output(static_cast<size_t>(shape.batch * shape.length * shape.heads * shape.head_dim));
    CausalAttention attention{.batch = shape.batch,
                              .heads = shape.heads,
                              .kv_heads = shape.kv_heads,
                              .length = shape.length,
                              .head_dim = shape.head_dim,
                              .scale = 1 / std::sqrt(static_cast<float>(shape.head_dim)),
                              .query = query_.data.data(),
                              .key = key_.data.data(),
                              .value = value_.data.data(),
                              .query_strides = query_.strides,
                              .key_strides = key_.strides,
                              .value_strides = value_.strides,
                              .output = output.data()};
    std::vector<uint16_t> packed(static_cast<size_t>(PackedAttentionSize(attention)), 0xFFFF);
    attention.packed = packed.data();
    PackAttention(attention, 0, shape.batch * shape.kv_heads);
    const int64_t tasks = NumAttentionTasks(attention);
    for (int64_t first = 0; first < tasks; first += share)
      RunCausalAttention(attention, first, std::min(first + share, tasks));
    return output;
  }

  /// In double precision; also the sum of |p v|, which errors are measured against.
  std::pair<double, double> Expected(int64_t batch, int64_t head, int64_t token, int64_t i) const {
    const Shape& shape = GetParam();
    const int64_t kv_head = head / (shape.heads / shape.kv_heads);
    double largest = -std::numeric_limits<double>::infinity();
    std::vector<double> scores;
    for (int64_t j = 0; j <= token; ++j) {
      double score = 0;
      for (int64_t d = 0; d < shape.head_dim; ++d)
        score += query_.At(batch, head, token, d) * key_.At(batch, kv_head, j, d);
      scores.push_back(score / std::sqrt(static_cast<double>(shape.head_dim)));
      largest = std::max(largest, scores.back());
    }
    double sum = 0;
    double value = 0;
    double magnitude = 0;
    for (int64_t j = 0; j <= token; ++j) {
      const double p = std::exp(scores[static_cast<size_t>(j)] - largest);
      const double v = value_.At(batch, kv_head, j, i);
      sum += p;
      value += p * v;
      magnitude += p * std::abs(v);
    }
    return {value / sum, magnitude / sum};
  }

  Heads query_ = MakeHeads(GetParam(), GetParam().heads, 1);
  Heads key_ = MakeHeads(GetParam(), GetParam().kv_heads, 2);
  Heads value_ = MakeHeads(GetParam(), GetParam().kv_heads, 3);
};

TEST_P(CausalAttentionTest, AgreesWithDoublePrecision) {
  const Shape& shape = GetParam();
  const std::vector<uint16_t> output = Run();
  // Every place of short sequences, some of long ones.
  const int64_t step = shape.length > 64 ? 13 : 1;
  const int64_t row_size = shape.heads * shape.head_dim;
  for (int64_t row = 0; row < shape.batch * shape.length; row += step) {
    for (int64_t i = 0; i < row_size; i += 3) {
      const auto [expected, magnitude] =
          Expected(row / shape.length, i / shape.head_dim, row % shape.length, i % shape.head_dim);
      // Probabilities and the result are rounded to bf16, each by at most 2^-8 of itself.
      ASSERT_NEAR(FromBf16(output[static_cast<size_t>(row * row_size + i)]), expected,
                  std::pow(2.0, -8) * (magnitude + std::abs(expected)) + 1e-6)
          << "row " << row << " column " << i;
    }
  }
}

TEST_P(CausalAttentionTest, GivesTheSameBitsHoweverTasksAreShared) { EXPECT_EQ(Run(1), Run(1000000)); }

INSTANTIATE_TEST_SUITE_P(Shapes, CausalAttentionTest,
                         ::testing::Values(Shape{1, 1, 1, 1, 64}, Shape{2, 3, 1, 33, 64}, Shape{1, 4, 2, 65, 32},
                                           Shape{1, 2, 2, 100, 80}, Shape{1, 2, 1, 300, 128}, Shape{1, 9, 3, 520, 64}),
                         [](const auto& test) {
                           const Shape& s = test.param;
                           return "batch" + std::to_string(s.batch) + "_heads" + std::to_string(s.heads) + "of" +
                                  std::to_string(s.kv_heads) + "_length" + std::to_string(s.length) + "_dim" +
                                  std::to_string(s.head_dim);
                         });

}  // namespace
}  // namespace pivot

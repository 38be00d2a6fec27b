// SPDX-License-Identifier: Apache-2.0
#include "kernels/score_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "kernels/bf16.h"
#include "kernels/fast_exp.h"

namespace pivot {
namespace {

TEST(FastExpTest, IsWithinTwoUnitsOfTheLastPlace) {
  for (int step = 0; step < 23'500; ++step) {
    const float x = -0.0037F * static_cast<float>(step);
    const double exact = std::exp(static_cast<double>(x));
    ASSERT_NEAR(FastExp(x), exact, 2.0 * exact * std::pow(2.0, -23)) << x;
  }
  EXPECT_EQ(FastExp(0), 1.0F);
  EXPECT_EQ(FastExp(-88), 0.0F);
  EXPECT_EQ(FastExp(-1e30F), 0.0F);
}

constexpr int64_t kRows = 5;

struct Logits {
  int64_t columns;
  std::vector<float> model, reference;
  std::vector<int64_t> target;
};

Logits MakeLogits(int64_t columns) {
  std::mt19937 generator(static_cast<unsigned>(columns));
  std::normal_distribution<float> normal;
  Logits logits{.columns = columns};
  for (int64_t i = 0; i < kRows * columns; ++i) {
    logits.reference.push_back(RoundToBf16(4 * normal(generator)));
    logits.model.push_back(RoundToBf16(logits.reference.back() + 0.3F * normal(generator)));
  }
  for (int64_t row = 0; row < kRows; ++row) logits.target.push_back((row * 7919) % columns);
  return logits;
}

struct Scores {
  std::vector<float> model_nll = std::vector<float>(kRows);
  std::vector<float> reference_nll = std::vector<float>(kRows);
  std::vector<float> kl = std::vector<float>(kRows);
  std::vector<uint8_t> has_same_top = std::vector<uint8_t>(kRows, 7);
};

Scores Score(const Logits& logits, const void* model, const void* reference, bool is_bf16) {
  Scores scores;
  RunScoreRows({.rows = kRows,
                .columns = logits.columns,
                .is_bf16 = is_bf16,
                .model = model,
                .reference = reference,
                .target = logits.target.data(),
                .model_nll = scores.model_nll.data(),
                .reference_nll = scores.reference_nll.data(),
                .kl = scores.kl.data(),
                .has_same_top = scores.has_same_top.data()},
               0, kRows);
  return scores;
}

Scores ScoreFloats(const Logits& logits) { return Score(logits, logits.model.data(), logits.reference.data(), false); }

double LogSum(const float* row, int64_t columns) {
  double sum = 0;
  for (int64_t i = 0; i < columns; ++i) sum += std::exp(static_cast<double>(row[i]));
  return std::log(sum);
}

class ScoreRowsTest : public ::testing::TestWithParam<int64_t> {};

TEST_P(ScoreRowsTest, AgreesWithDoublePrecision) {
  const Logits logits = MakeLogits(GetParam());
  const Scores scores = ScoreFloats(logits);
  for (int64_t row = 0; row < kRows; ++row) {
    const auto r = static_cast<size_t>(row);
    const float* s = logits.model.data() + row * logits.columns;
    const float* t = logits.reference.data() + row * logits.columns;
    const double model_sum = LogSum(s, logits.columns);
    const double reference_sum = LogSum(t, logits.columns);
    double kl = 0;
    for (int64_t i = 0; i < logits.columns; ++i)
      kl += std::exp(t[i] - reference_sum) * ((t[i] - reference_sum) - (s[i] - model_sum));
    // Sums over runs of 1024 in sixteen lanes: 64 additions, each off by half a unit of values of up to 20.
    EXPECT_NEAR(scores.model_nll[r], model_sum - s[logits.target[r]], 2e-5);
    EXPECT_NEAR(scores.reference_nll[r], reference_sum - t[logits.target[r]], 2e-5);
    EXPECT_NEAR(scores.kl[r], kl, 2e-5);
    const bool same = std::max_element(s, s + logits.columns) - s == std::max_element(t, t + logits.columns) - t;
    EXPECT_EQ(scores.has_same_top[r], same ? 1 : 0);
  }
}

TEST_P(ScoreRowsTest, TakesBf16ForWhatItIs) {
  const Logits logits = MakeLogits(GetParam());
  const auto halves = [](const std::vector<float>& values) {
    std::vector<uint16_t> upper;
    for (const float value : values) upper.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
    return upper;
  };
  const std::vector<uint16_t> model = halves(logits.model);
  const std::vector<uint16_t> reference = halves(logits.reference);
  const Scores scores = Score(logits, model.data(), reference.data(), true);
  const Scores expected = ScoreFloats(logits);
  EXPECT_EQ(scores.model_nll, expected.model_nll);
  EXPECT_EQ(scores.reference_nll, expected.reference_nll);
  EXPECT_EQ(scores.kl, expected.kl);
  EXPECT_EQ(scores.has_same_top, expected.has_same_top);
}

INSTANTIATE_TEST_SUITE_P(Columns, ScoreRowsTest, ::testing::Values(1, 15, 16, 17, 1000, 1024, 1025, 49152),
                         [](const auto& test) { return "columns" + std::to_string(test.param); });

TEST(ScoreRowsEdgeTest, FindsNoDifferenceBetweenEqualLogits) {
  Logits logits = MakeLogits(3000);
  logits.model = logits.reference;
  const Scores scores = ScoreFloats(logits);
  EXPECT_EQ(scores.model_nll, scores.reference_nll);
  EXPECT_THAT(scores.kl, ::testing::Each(::testing::FloatNear(0, 1e-6)));
  EXPECT_THAT(scores.has_same_top, ::testing::Each(1));
}

TEST(ScoreRowsEdgeTest, TakesTheEarlierOfEqualColumnsForTheTop) {
  Logits logits{.columns = 4, .model = {}, .reference = {}, .target = std::vector<int64_t>(kRows, 0)};
  for (int64_t row = 0; row < kRows; ++row) {
    logits.model.insert(logits.model.end(), {1, 5, 5, 0});
    logits.reference.insert(logits.reference.end(), {1, 3, 2, 0});
  }
  EXPECT_THAT(ScoreFloats(logits).has_same_top, ::testing::Each(1));
}

TEST(ScoreRowsEdgeTest, NeedsNoReference) {
  const Logits logits = MakeLogits(100);
  const Scores alone = Score(logits, logits.model.data(), nullptr, false);
  EXPECT_EQ(alone.model_nll, ScoreFloats(logits).model_nll);
  EXPECT_THAT(alone.has_same_top, ::testing::Each(7)) << "not written";
}

TEST(ScoreRowsEdgeTest, SurvivesLogitsFarApart) {
  Logits logits = MakeLogits(64);
  for (float& value : logits.model) value *= 1000;
  const Scores scores = ScoreFloats(logits);
  for (const float nll : scores.model_nll) EXPECT_TRUE(std::isfinite(nll));
  for (const float kl : scores.kl) EXPECT_TRUE(std::isfinite(kl));
}

}  // namespace
}  // namespace pivot

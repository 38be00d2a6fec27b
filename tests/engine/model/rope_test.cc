// SPDX-License-Identifier: Apache-2.0
// Expected angles are worked out from the papers' formulas in the comments; tests/integration/architectures_test.py
// holds whole models against transformers.
#include "engine/model/rope.h"

#include <cmath>
#include <numbers>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::DoubleNear;
using ::testing::ElementsAre;

RopeContext Context() { return {.head_dim = 8, .max_positions = 256, .theta = 10000}; }

std::vector<double> Frequencies(const char* parameters, int64_t length = 16) {
  const auto rope = ParseRope(json::parse(parameters), Context());
  EXPECT_OK(rope);
  return rope.ok() ? rope->Frequencies(length) : std::vector<double>();
}

auto Near(double value) { return DoubleNear(value, 1e-12); }

TEST(RopeTest, TurnsPairsByFallingPowersOfTheta) {
  EXPECT_THAT(Frequencies("null"), ElementsAre(Near(1), Near(0.1), Near(0.01), Near(0.001)));
  EXPECT_THAT(Frequencies(R"({"rope_theta": 16.0})"), ElementsAre(Near(1), Near(0.5), Near(0.25), Near(0.125)));
  EXPECT_THAT(Frequencies(R"({"partial_rotary_factor": 0.5})"), ElementsAre(Near(1), Near(0.01)));
}

TEST(RopeTest, LinearStretchingDividesEveryAngle) {
  EXPECT_THAT(Frequencies(R"({"type": "linear", "factor": 4.0})"),
              ElementsAre(Near(0.25), Near(0.025), Near(0.0025), Near(0.00025)));
}

TEST(RopeTest, DynamicStretchingBeginsBehindTheModelsOwnContext) {
  const char* parameters = R"({"rope_type": "dynamic", "factor": 2.0})";
  EXPECT_THAT(Frequencies(parameters, 256), ElementsAre(Near(1), Near(0.1), Near(0.01), Near(0.001)));
  // theta * (2 * 512 / 256 - 1)^(8 / 6).
  const double theta = 10000 * std::pow(3.0, 8.0 / 6);
  EXPECT_THAT(Frequencies(parameters, 512), ElementsAre(Near(1), Near(std::pow(theta, -0.25)),
                                                        Near(std::pow(theta, -0.5)), Near(std::pow(theta, -0.75))));
}

TEST(RopeTest, Llama3StretchesOnlyWhatTurnsSeldom) {
  // Turns in 128 positions: 20.4, 2.04, 0.204, 0.0204; above 4 kept, below 1 divided, between them in proportion.
  const double kept = (128 * 0.1 / (2 * std::numbers::pi) - 1) / 3;
  EXPECT_THAT(Frequencies(R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                          "original_max_position_embeddings": 128})"),
              ElementsAre(Near(1), Near(0.1 / 8 * (1 - kept) + 0.1 * kept), Near(0.01 / 8), Near(0.001 / 8)));
}

TEST(RopeTest, YarnRampsBetweenTheElementsThatTurnFastAndSlowly) {
  // The element that turns t times in 64 positions: 8 ln(64 / (2 pi t)) / (2 ln 10000), -0.5 for 32 and 1.008 for 1:
  // from 0 to 2.
  EXPECT_THAT(Frequencies(R"({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64})"),
              ElementsAre(Near(1), Near(0.1 / 4 * 0.5 + 0.1 * 0.5), Near(0.01 / 4), Near(0.001 / 4)));
  ASSERT_OK_AND_ASSIGN(const Rope rope, ParseRope(json::parse(R"({"rope_type": "yarn", "factor": 4.0,
                                                  "original_max_position_embeddings": 64})"),
                                                  Context()));
  EXPECT_DOUBLE_EQ(rope.attention_factor, 0.1 * std::log(4.0) + 1);
}

TEST(RopeTest, LongRopeChoosesItsFactorsByTheTextsLength) {
  const char* parameters = R"({"type": "su", "original_max_position_embeddings": 64,
      "short_factor": [1.0, 1.0, 2.0, 2.0], "long_factor": [1.0, 2.0, 4.0, 8.0]})";
  EXPECT_THAT(Frequencies(parameters, 64), ElementsAre(Near(1), Near(0.1), Near(0.005), Near(0.0005)));
  EXPECT_THAT(Frequencies(parameters, 65), ElementsAre(Near(1), Near(0.05), Near(0.0025), Near(0.000125)));
  ASSERT_OK_AND_ASSIGN(const Rope rope, ParseRope(json::parse(parameters), Context()));
  EXPECT_DOUBLE_EQ(rope.attention_factor, std::sqrt(1 + std::log(4.0) / std::log(64.0))) << "256 positions from 64";
}

}  // namespace
}  // namespace pivot

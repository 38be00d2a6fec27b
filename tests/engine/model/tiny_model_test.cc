// SPDX-License-Identifier: Apache-2.0
// The models that other tests compute with are what they say.
#include "tests/support/tiny_model.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "engine/model/model_folder.h"
#include "proto/files/sha256.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::nlohmann::json;

/// Mean and standard deviation of a tensor of bf16.
std::pair<double, double> Moments(absl::string_view bytes) {
  double sum = 0;
  double squares = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    uint16_t half = 0;
    std::memcpy(&half, bytes.data() + i, 2);
    const double value = std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
    sum += value;
    squares += value * value;
  }
  const double count = static_cast<double>(bytes.size()) / 2;
  return {sum / count, std::sqrt(squares / count - sum / count * (sum / count))};
}

TEST(TinyModelTest, HasNormalWeightsAndNormsAboutOne) {
  const TemporaryFolder folder;
  ASSERT_OK(WriteTinyModel(folder.path(), {.vocab_size = 2000}));
  ASSERT_OK_AND_ASSIGN(const ModelFolder model, ModelFolder::Open(folder.path()));
  // 128,000 draws: the mean's own deviation is 0.00014 and the deviation's 0.0001; both windows are over six times
  // that.
  const auto [mean, deviation] = Moments(model.Bytes("model.embed_tokens.weight"));
  EXPECT_NEAR(mean, 0.0, 0.001);
  EXPECT_NEAR(deviation, 0.05, 0.001);
  // 64 draws: 0.006.
  EXPECT_NEAR(Moments(model.Bytes("model.layers.0.input_layernorm.weight")).first, 1.0, 0.04);
}

TEST(TinyModelTest, DependsOnItsSeedAlone) {
  const TemporaryFolder folder;
  for (const auto& [name, seed] : {std::pair{"a", 1U}, {"b", 1U}, {"c", 2U}})
    ASSERT_OK(WriteTinyModel(folder / name, {.seed = seed}));
  EXPECT_EQ(*Sha256OfFile(folder / "a/model.safetensors"), *Sha256OfFile(folder / "b/model.safetensors"));
  EXPECT_NE(*Sha256OfFile(folder / "a/model.safetensors"), *Sha256OfFile(folder / "c/model.safetensors"));
}

TEST(TinyModelTest, HasATokenForEveryByte) {
  const json tokenizer = json::parse(TinyTokenizerJson());
  const json& vocabulary = tokenizer["model"]["vocab"];
  std::set<int> ids;
  for (const auto& [token, id] : vocabulary.items()) ids.insert(id.get<int>());
  EXPECT_EQ(static_cast<int64_t>(ids.size()), kTinyEndToken);
  EXPECT_EQ(*ids.rbegin() + 1, kTinyEndToken);
  EXPECT_EQ(tokenizer["added_tokens"][0]["id"], kTinyEndToken);
  EXPECT_EQ(vocabulary["A"], 65);
  EXPECT_EQ(vocabulary["\xC4\xA0"], 32) << "a space is U+0120";
  EXPECT_EQ(vocabulary["\xC4\x8A"], 10) << "a line feed is U+010A";
  EXPECT_EQ(vocabulary["\xC5\x83"], 173) << "the last hidden byte is U+0143";
  EXPECT_EQ(tokenizer["model"]["merges"].size(), 3U);
}

TEST(TinyModelTest, SpeaksInSentences) {
  const std::string text = PseudoEnglish(500, 3);
  EXPECT_EQ(PseudoEnglish(500, 3), text);
  EXPECT_NE(PseudoEnglish(500, 4), text);
  const std::vector<std::string> words = absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  EXPECT_EQ(words.size(), 500U);
  EXPECT_TRUE(absl::EndsWith(text, ".\n"));
  EXPECT_TRUE(absl::StrContains(text, ".\n\n"));
  EXPECT_EQ(PseudoEnglish(0), "");
}

}  // namespace
}  // namespace pivot

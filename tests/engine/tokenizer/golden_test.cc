// SPDX-License-Identifier: Apache-2.0
// Ids that PyPI's `tokenizers` gave, see tests/golden/tokenizer/make_golden.py.

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/model/tokenizer/tokenizer.h"
#include "tests/engine/tokenizer/small_tokenizer.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::json;

std::string GoldenPath(const std::string& name) { return std::string(PIVOT_GOLDEN_DIR) + "/" + name; }

std::vector<json> ReadLines(const std::string& name) {
  std::ifstream file(GoldenPath(name));
  std::vector<json> values;
  for (std::string line; std::getline(file, line);) values.push_back(json::parse(line));
  return values;
}

class GoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, GivesTheSameIds) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Tokenizer::FromFile(GoldenPath(GetParam() + ".tokenizer.json")));
  const std::vector<json> texts = ReadLines("texts.jsonl");
  const std::vector<json> ids = ReadLines(GetParam() + ".ids.jsonl");
  ASSERT_EQ(texts.size(), ids.size());
  ASSERT_GT(texts.size(), 100);
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_OK_AND_ASSIGN(const auto encoded, tokenizer.Encode(texts[i].get<std::string>(), SpecialTokens::kAdd));
    EXPECT_EQ(json(encoded), ids[i]) << "line " << i + 1 << ": " << texts[i].dump(-1, ' ', true);
  }
}

/// Those that change nothing of a text.
class LosslessTest : public GoldenTest {};

TEST_P(LosslessTest, DecodesToTheText) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Tokenizer::FromFile(GoldenPath(GetParam() + ".tokenizer.json")));
  for (const json& line : ReadLines("texts.jsonl")) {
    const auto text = line.get<std::string>();
    // What is changed on purpose: tokens that take the space around them.
    if (text.find("<mask>") != std::string::npos) continue;
    ASSERT_OK_AND_ASSIGN(const auto ids, tokenizer.Encode(text, SpecialTokens::kOmit));
    EXPECT_EQ(tokenizer.Decode(ids, SpecialText::kKeep), text);
  }
}

/// Those with merges.
class MergingTest : public GoldenTest {};

TEST_P(MergingTest, NoticesAMissingMerge) {
  json file = ReadLines(GetParam() + ".tokenizer.json").at(0);
  file["model"]["merges"].erase(0);
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(file));
  const std::vector<json> texts = ReadLines("texts.jsonl");
  const std::vector<json> ids = ReadLines(GetParam() + ".ids.jsonl");
  int num_different = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_OK_AND_ASSIGN(const auto encoded, tokenizer.Encode(texts[i].get<std::string>(), SpecialTokens::kAdd));
    if (json(encoded) != ids[i]) ++num_different;
  }
  EXPECT_GT(num_different, 0);
}

std::string NameOf(const ::testing::TestParamInfo<std::string>& style) { return style.param; }

INSTANTIATE_TEST_SUITE_P(Families, GoldenTest,
                         ::testing::Values("smollm2", "llama3", "qwen2", "gpt2", "llama2", "mistral", "gemma", "t5",
                                           "bert"),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(Families, LosslessTest, ::testing::Values("smollm2", "llama3", "gpt2"), NameOf);
INSTANTIATE_TEST_SUITE_P(Families, MergingTest,
                         ::testing::Values("smollm2", "llama3", "qwen2", "gpt2", "llama2", "mistral", "gemma"), NameOf);

class SentencePieceGoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SentencePieceGoldenTest, GivesTheIdsOfTheLibrary) {
  std::ifstream file(GoldenPath(GetParam() + ".model"), std::ios::binary);
  const std::string model{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Tokenizer::FromSentencePiece(model, {.adds_first = false}));
  const std::vector<json> texts = ReadLines("texts.jsonl");
  const std::vector<json> ids = ReadLines(GetParam() + ".ids.jsonl");
  ASSERT_EQ(texts.size(), ids.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_OK_AND_ASSIGN(const auto encoded, tokenizer.Encode(texts[i].get<std::string>(), SpecialTokens::kAdd));
    EXPECT_EQ(json(encoded), ids[i]) << "line " << i + 1 << ": " << texts[i].dump(-1, ' ', true);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SentencePieceGoldenTest, ::testing::Values("spm_bpe", "spm_unigram"), NameOf);

}  // namespace
}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
// Ids that PyPI's `tokenizers` gave, see tests/golden/tokenizer/make_golden.py.

#include <cstdint>
#include <fstream>
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

TEST_P(GoldenTest, DecodesToTheText) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Tokenizer::FromFile(GoldenPath(GetParam() + ".tokenizer.json")));
  for (const json& line : ReadLines("texts.jsonl")) {
    const auto text = line.get<std::string>();
    // What is changed on purpose: tokens that take the space around them, and normalized text.
    if (text.find("<mask>") != std::string::npos || GetParam() == "qwen2") continue;
    ASSERT_OK_AND_ASSIGN(const auto ids, tokenizer.Encode(text, SpecialTokens::kOmit));
    EXPECT_EQ(tokenizer.Decode(ids, SpecialText::kKeep), text);
  }
}

TEST_P(GoldenTest, NoticesAMissingMerge) {
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

INSTANTIATE_TEST_SUITE_P(Styles, GoldenTest, ::testing::Values("smollm2", "llama3", "qwen2"),
                         [](const auto& style) { return style.param; });

}  // namespace
}  // namespace pivot

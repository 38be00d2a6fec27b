// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_vocabulary.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "engine/model/gguf/gguf_file.h"
#include "engine/model/gguf/gguf_pre_tokenizers.h"
#include "engine/model/gguf/gguf_tokenizer.h"
#include "engine/model/tokenizer/tokenizer.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GgufVocabularyTest : public ::testing::Test {
 protected:
  /// A file of the metadata alone.
  absl::StatusOr<GgufFile> FileOf(const TokenizerTexts& texts, int64_t vocab_size = kTinyVocabulary) {
    GgufValues values;
    const absl::Status added = AddTokenizer(texts, vocab_size, values);
    if (!added.ok()) return added;
    return GgufFile::Open(folder_.Write("v.gguf", LayOutGguf(values, {}).head));
  }

  void ExpectRefused(const json& changes, const std::string& phrase) {
    json tokenizer = json::parse(TinyTokenizerJson());
    tokenizer.merge_patch(changes);
    const absl::Status status = FileOf({.tokenizer_json = tokenizer.dump()}).status();
    EXPECT_EQ(ReasonOf(status), "FORMAT_CANNOT_EXPRESS") << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(phrase));
  }

  TemporaryFolder folder_;
};

TEST_F(GgufVocabularyTest, GoesToGgufAndBack) {
  ASSERT_OK_AND_ASSIGN(
      const GgufFile file,
      FileOf({.tokenizer_json = TinyTokenizerJson(),
              .tokenizer_config_json = R"({"eos_token": {"content": "<|end|>"}, "chat_template": "{{x}}"})"},
             kTinyVocabulary + 3));
  EXPECT_EQ(file.Text("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(file.Text("tokenizer.ggml.pre"), "gpt-2");
  EXPECT_EQ(file.Text("tokenizer.chat_template"), "{{x}}");
  EXPECT_EQ(file.Integer("tokenizer.ggml.eos_token_id"), kTinyEndToken);
  EXPECT_EQ(file.Boolean("tokenizer.ggml.add_bos_token"), false);
  EXPECT_EQ(file.Texts("tokenizer.ggml.tokens")->back(), "[PAD262]");
  EXPECT_EQ(file.Integers("tokenizer.ggml.token_type")->back(), kUnusedToken);
  EXPECT_EQ((*file.Integers("tokenizer.ggml.token_type"))[kTinyEndToken], kControlToken);
  ASSERT_OK_AND_ASSIGN(const std::string text, TokenizerJsonOf(file));
  const json before = json::parse(TinyTokenizerJson());
  const json after = json::parse(text);
  for (const char* member : {"normalizer", "pre_tokenizer", "post_processor"}) EXPECT_EQ(after[member], before[member]);
  EXPECT_EQ(after["model"]["merges"], before["model"]["merges"]);
  json vocabulary = before["model"]["vocab"];
  vocabulary["<|end|>"] = kTinyEndToken;
  EXPECT_EQ(after["model"]["vocab"], vocabulary);
  EXPECT_EQ(after["added_tokens"], before["added_tokens"]);
}

TEST_F(GgufVocabularyTest, CarriesTheTokensAroundAText) {
  json tokenizer = json::parse(TinyTokenizerJson());
  const json special{{"<|end|>", {{"id", "<|end|>"}, {"ids", {kTinyEndToken}}, {"tokens", {"<|end|>"}}}}};
  const json first{{"SpecialToken", {{"id", "<|end|>"}, {"type_id", 0}}}};
  const json text{{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  tokenizer["post_processor"] = {
      {"type", "TemplateProcessing"}, {"single", {first, text}}, {"pair", {text}}, {"special_tokens", special}};
  ASSERT_OK_AND_ASSIGN(const GgufFile file, FileOf({.tokenizer_json = tokenizer.dump()}));
  EXPECT_EQ(file.Boolean("tokenizer.ggml.add_bos_token"), true);
  EXPECT_EQ(file.Integer("tokenizer.ggml.bos_token_id"), kTinyEndToken);
  ASSERT_OK_AND_ASSIGN(const std::string back, TokenizerJsonOf(file));
  EXPECT_EQ(json::parse(back)["post_processor"]["single"], tokenizer["post_processor"]["single"]);
}

TEST_F(GgufVocabularyTest, RefusesWhatGgufHasNoNameFor) {
  ExpectRefused({{"pre_tokenizer", {{"use_regex", false}}}}, "\"use_regex\":false");
  ExpectRefused({{"normalizer", {{"type", "NFKC"}}}}, "NFKC");
  ExpectRefused({{"model", {{"ignore_merges", true}}}}, "ignore_merges true");
  ExpectRefused({{"model", {{"type", "Unigram"}}}}, "not BPE");
  ExpectRefused({{"post_processor", {{"type", "BertProcessing"}}}}, "BertProcessing");
  ExpectRefused({{"model", {{"vocab", {{"extra", kTinyVocabulary}}}}}}, "extra has the id 260");
  json tokenizer = json::parse(TinyTokenizerJson());
  json added = tokenizer["added_tokens"];
  added[0]["lstrip"] = true;
  ExpectRefused({{"added_tokens", added}}, "lstrip");
  EXPECT_EQ(ReasonOf(FileOf({}).status()), "FORMAT_CANNOT_EXPRESS");
}

TEST_F(GgufVocabularyTest, FindsEachPreTokenizerByItsStructure) {
  for (const char* name : {"gpt-2", "llama-bpe", "qwen2", "smollm"}) {
    const GgufPreTokenizer* entry = FindGgufPreTokenizer(name);
    ASSERT_NE(entry, nullptr);
    json steps = entry->pre_tokenizer;
    if (steps.contains("pretokenizers")) steps["pretokenizers"].back().erase("trim_offsets");
    json tokenizer{{"pre_tokenizer", steps}, {"model", {{"ignore_merges", entry->ignores_merges}}}};
    if (!entry->normalizer.empty()) tokenizer["normalizer"] = {{"type", entry->normalizer}};
    EXPECT_EQ(MatchGgufPreTokenizer(tokenizer), entry) << name;
    tokenizer["model"]["ignore_merges"] = !entry->ignores_merges;
    EXPECT_EQ(MatchGgufPreTokenizer(tokenizer), nullptr) << name;
  }
}

/// SentencePiece's kind: bytes, letters, and "ab", "abc" made by merges.
json SentencePieces() {
  const json steps = {{{"type", "Prepend"}, {"prepend", "\u2581"}},
                      {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}};
  json vocabulary{{"<unk>", 0}, {"<s>", 1}, {"<0x41>", 2}, {"\u2581", 3}, {"a", 4},
                  {"b", 5},     {"c", 6},   {"ab", 7},     {"abc", 8},    {"bc", 9}};
  return {{"added_tokens", {{{"id", 1}, {"content", "<s>"}, {"special", true}}}},
          {"normalizer", {{"type", "Sequence"}, {"normalizers", steps}}},
          {"model",
           {{"type", "BPE"},
            {"byte_fallback", true},
            {"unk_token", "<unk>"},
            {"vocab", std::move(vocabulary)},
            {"merges", {"b c", "a b", "ab c", "a bc"}}}}};
}

TEST_F(GgufVocabularyTest, TurnsRanksOfMergesIntoScores) {
  ASSERT_OK_AND_ASSIGN(const GgufFile file, FileOf({.tokenizer_json = SentencePieces().dump()}, 10));
  EXPECT_EQ(file.Text("tokenizer.ggml.model"), "llama");
  EXPECT_EQ(file.Boolean("tokenizer.ggml.add_space_prefix"), true);
  EXPECT_THAT(*file.Integers("tokenizer.ggml.token_type"), ElementsAre(2, 3, 6, 1, 1, 1, 1, 1, 1, 1));
  const auto& scores = std::get<std::vector<double>>(file.values().at("tokenizer.ggml.scores"));
  EXPECT_EQ(scores[9], 0);
  EXPECT_EQ(scores[7], -1);
  EXPECT_EQ(scores[8], -2) << "the first merge that makes it counts";
}

TEST_F(GgufVocabularyTest, ReadsSentencePiecesAsMergesByScore) {
  ASSERT_OK_AND_ASSIGN(const GgufFile file, FileOf({.tokenizer_json = SentencePieces().dump()}, 12));
  ASSERT_OK_AND_ASSIGN(const std::string text, TokenizerJsonOf(file));
  const json read = json::parse(text);
  EXPECT_EQ(read["model"]["merges"], json::parse(R"([["b", "c"], ["a", "b"], ["ab", "c"], ["a", "bc"]])"));
  EXPECT_EQ(read["normalizer"], SentencePieces()["normalizer"]);
  EXPECT_EQ(read["model"]["vocab"].size(), 10) << "without what fills up the embedding";
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Tokenizer::FromJson(text));
  // "bc" is made first, then nothing makes "abc" of "a" and "bc" but the last merge.
  ASSERT_OK_AND_ASSIGN(const auto ids, tokenizer.Encode("abc A<s>ab?", SpecialTokens::kOmit));
  EXPECT_THAT(ids, ElementsAre(3, 8, 3, 2, 1, 3, 7, 0));
}

TEST_F(GgufVocabularyTest, RefusesScoresThatAreNone) {
  const auto status_with = [&](const std::vector<float>& scores) {
    GgufValues values;
    values.AddText("tokenizer.ggml.model", "llama");
    values.AddTexts("tokenizer.ggml.tokens", {"<unk>", "a"});
    values.AddNumbers("tokenizer.ggml.scores", scores);
    const auto file = GgufFile::Open(folder_.Write("v.gguf", LayOutGguf(values, {}).head));
    return file.ok() ? TokenizerJsonOf(*file).status() : file.status();
  };
  EXPECT_EQ(ReasonOf(status_with({0, NAN})), "MALFORMED_WEIGHTS");
  EXPECT_EQ(ReasonOf(status_with({0})), "MALFORMED_WEIGHTS");
}

TEST_F(GgufVocabularyTest, RefusesSentencePiecesThatAReaderWouldJoinOtherwise) {
  json tokenizer = SentencePieces();
  tokenizer["model"]["merges"] = {"a b", "ab c"};
  const absl::Status status = FileOf({.tokenizer_json = tokenizer.dump()}, 10).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("token bc has no merge")));
}

TEST_F(GgufVocabularyTest, RefusesAMergeOfOneToken) {
  json tokenizer = SentencePieces();
  tokenizer["model"]["merges"] = {"ab"};
  const absl::Status status = FileOf({.tokenizer_json = tokenizer.dump()}, 10).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a merge is not two tokens")));
}

TEST_F(GgufVocabularyTest, TakesNoChatTemplateThatIsNoText) {
  const TokenizerTexts texts{.tokenizer_json = TinyTokenizerJson(),
                             .tokenizer_config_json = R"({"chat_template": [{"name": "default", "template": 7}]})"};
  ASSERT_OK_AND_ASSIGN(const GgufFile file, FileOf(texts));
  EXPECT_FALSE(file.Text("tokenizer.chat_template").has_value());
}

}  // namespace
}  // namespace pivot

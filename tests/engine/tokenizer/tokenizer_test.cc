// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/tokenizer.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "proto/status/reason.h"
#include "tests/engine/tokenizer/small_tokenizer.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Ids = std::vector<int32_t>;

/// In HELLO the pairs come in the order that leads to "hell" and "o".
json HelloJson() { return SmallTokenizerJson({{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"Ġ", "h"}}); }

Ids Encode(const Tokenizer& tokenizer, const std::string& text, SpecialTokens special = SpecialTokens::kAdd) {
  const auto ids = tokenizer.Encode(text, special);
  EXPECT_OK(ids);
  return ids.ok() ? *ids : Ids();
}

TEST(TokenizerTest, MergesPairsOfTheLowestRankFirst) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(HelloJson()));
  EXPECT_THAT(Encode(tokenizer, "hello"), ElementsAre(258, 'o'));
  // "Ġh" comes last, after "he" has taken the h.
  EXPECT_THAT(Encode(tokenizer, " hello"), ElementsAre(' ', 258, 'o'));
  EXPECT_THAT(Encode(tokenizer, " ha"), ElementsAre(259, 'a'));
}

TEST(TokenizerTest, MergesTheLeftmostOfEqualPairs) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(SmallTokenizerJson({{"a", "a"}, {"aa", "a"}})));
  EXPECT_THAT(Encode(tokenizer, "aaa"), ElementsAre(257));
  EXPECT_THAT(Encode(tokenizer, "aaaa"), ElementsAre(256, 256));
  EXPECT_THAT(Encode(tokenizer, "aaaaa"), ElementsAre(256, 257));
}

TEST(TokenizerTest, TakesMergesAsPairsAndSkipsTheVersionLine) {
  json with_pairs = HelloJson();
  with_pairs["model"]["merges"] = json::parse(R"([["h","e"],["l","l"],["he","ll"],["Ġ","h"]])");
  json with_version = HelloJson();
  with_version["model"]["merges"].insert(with_version["model"]["merges"].begin(), "#version: 0.2");
  for (const json& file : {with_pairs, with_version}) {
    ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(file));
    EXPECT_THAT(Encode(tokenizer, "hello"), ElementsAre(258, 'o'));
  }
}

TEST(TokenizerTest, TakesWholeWordsFirstWhereMergesAreIgnored) {
  json file = HelloJson();
  file["model"]["vocab"]["Ġodd"] = 260;
  ASSERT_OK_AND_ASSIGN(const Tokenizer merging, MakeTokenizer(file));
  EXPECT_THAT(Encode(merging, " odd"), ElementsAre(' ', 'o', 'd', 'd'));
  file["model"]["ignore_merges"] = true;
  ASSERT_OK_AND_ASSIGN(const Tokenizer ignoring, MakeTokenizer(file));
  EXPECT_THAT(Encode(ignoring, " odd hello"), ElementsAre(260, ' ', 258, 'o'));
}

TEST(TokenizerTest, LeavesOutBytesWithoutAToken) {
  json file = HelloJson();
  file["model"]["vocab"].erase("x");
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(file));
  EXPECT_THAT(Encode(tokenizer, "hxexllo"), ElementsAre(258, 'o'));
  EXPECT_THAT(Encode(tokenizer, "xxx"), IsEmpty());
}

TEST(TokenizerTest, DecodesWhatItEncodes) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(HelloJson()));
  const std::vector<std::string> texts = {"",
                                          " ",
                                          "hello hello",
                                          "né à 12 ½",
                                          "日本語 👩‍👩‍👧‍👦 e\u0301",
                                          std::string("a\0b\x7f", 4),
                                          "\n\n \t\r\n  x   "};
  for (const std::string& text : texts) EXPECT_EQ(tokenizer.Decode(Encode(tokenizer, text), SpecialText::kKeep), text);
}

TEST(TokenizerTest, DecodesPartsOfCharactersAsReplacements) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(HelloJson()));
  EXPECT_EQ(tokenizer.Decode({0xC3, 0xA9}, SpecialText::kKeep), "é");
  EXPECT_EQ(tokenizer.Decode({0xC3, 'a', 0xF0, 0x9F, 0x98}, SpecialText::kKeep), "\uFFFDa\uFFFD");
  EXPECT_EQ(tokenizer.Decode({0xED, 0xA0, 0x80}, SpecialText::kKeep), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(tokenizer.Decode({-1, 'b', 100000}, SpecialText::kKeep), "b");
}

TEST(TokenizerTest, DecodesAddedTokensAsTheyAreWritten) {
  json file = HelloJson();
  file["added_tokens"] = {AddedTokenJson(260, "<s>", {{"special", true}}), AddedTokenJson(261, " é "),
                          AddedTokenJson(262, "Ġz")};
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(file));
  EXPECT_EQ(tokenizer.Decode({260, 261, 262}, SpecialText::kKeep), "<s> é  z");
  EXPECT_EQ(tokenizer.Decode({260, 261, 262}, SpecialText::kSkip), " é  z");
}

TEST(TokenizerTest, NamesTheOffsetOfInvalidUtf8) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(HelloJson()));
  for (const char* text : {"h\xC3\xA9\xFFo", "abc\xED\xA0\x80", "abc\xC3", "abc\xF4\x90\x80\x80", "abc\xC0\x80"}) {
    EXPECT_THAT(tokenizer.Encode(text, SpecialTokens::kAdd),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not valid UTF-8 at byte 3")));
  }
}

TEST(TokenizerTest, CountsTokensAndLimitsIds) {
  json file = HelloJson();
  file["added_tokens"] = {AddedTokenJson(260, "<s>"), AddedTokenJson(258, "hell")};
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(file));
  EXPECT_EQ(tokenizer.vocab_size(), 261);
  EXPECT_EQ(tokenizer.id_limit(), 261);
  EXPECT_EQ(tokenizer.TokenToId("<s>"), 260);
  EXPECT_EQ(tokenizer.TokenToId("Ġh"), 259);
  EXPECT_EQ(tokenizer.TokenToId("hello"), std::nullopt);
  file["model"]["vocab"]["far"] = 1000;
  file["added_tokens"] = json::array();
  ASSERT_OK_AND_ASSIGN(const Tokenizer gappy, MakeTokenizer(file));
  EXPECT_EQ(gappy.vocab_size(), 261);
  EXPECT_EQ(gappy.id_limit(), 1001);
}

TEST(TokenizerTest, AddsTheTemplatesTokens) {
  json file = HelloJson();
  const json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const json begin = {{"SpecialToken", {{"id", "B"}, {"type_id", 0}}}};
  const json begin_definition = {{"B", {{"id", "B"}, {"ids", {7, 300}}, {"tokens", {"x", "y"}}}}};
  const json processor = {
      {"type", "TemplateProcessing"}, {"single", {begin, text, begin}}, {"special_tokens", begin_definition}};
  for (const json& post_processor :
       {processor, json{{"type", "Sequence"}, {"processors", {ByteLevelJson(), processor}}}}) {
    file["post_processor"] = post_processor;
    ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(file));
    EXPECT_THAT(Encode(tokenizer, "ho"), ElementsAre(7, 300, 'h', 'o', 7, 300));
    EXPECT_THAT(Encode(tokenizer, "ho", SpecialTokens::kOmit), ElementsAre('h', 'o'));
    EXPECT_EQ(tokenizer.id_limit(), 301);
  }
  file["post_processor"] = ByteLevelJson();
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(file));
  EXPECT_THAT(Encode(tokenizer, "ho"), ElementsAre('h', 'o'));
}

TEST(TokenizerTest, NormalizesBeforeItLooksForNormalizedTokens) {
  json file = SmallTokenizerJson();
  file["normalizer"] = {{"type", "NFC"}};
  file["added_tokens"] = {AddedTokenJson(256, "e\u0301", {{"normalized", true}}), AddedTokenJson(257, "a\u0301")};
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(file));
  EXPECT_THAT(Encode(tokenizer, "é e\u0301"), ElementsAre(256, ' ', 256));
  EXPECT_THAT(Encode(tokenizer, "á a\u0301"), ElementsAre(0xC3, 0xA1, ' ', 257));
}

TEST(TokenizerTest, GivesTheSameIdsToConcurrentCallers) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(HelloJson()));
  std::string text;
  for (int i = 0; i < 2000; ++i) text += " hello" + std::to_string(i * 7919) + "hell";
  const Ids expected = Encode(tokenizer, text);
  std::vector<std::thread> threads;
  std::vector<Ids> results(4);
  threads.reserve(results.size());
  for (Ids& result : results) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) result = tokenizer.Encode(text, SpecialTokens::kAdd).value_or(Ids());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ids& result : results) EXPECT_EQ(result, expected);
}

TEST(TokenizerTest, ReadsAFileAndNamesAMissingOne) {
  const TemporaryFolder folder;
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer,
                       Tokenizer::FromFile(folder.Write("tokenizer.json", HelloJson().dump())));
  EXPECT_THAT(Encode(tokenizer, "hell"), ElementsAre(258));
  EXPECT_THAT(Tokenizer::FromFile(folder / "none"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double SecondsToEncode(const Tokenizer& tokenizer, const std::string& text) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const double begin = ThreadSeconds();
    EXPECT_OK(tokenizer.Encode(text, SpecialTokens::kAdd));
    best = std::min(best, ThreadSeconds() - begin);
  }
  return best;
}

TEST(TokenizerTest, TakesTimeInProportionToALongWord) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer,
                       MakeTokenizer(SmallTokenizerJson({{"a", "b"}, {"ab", "ab"}, {"abab", "abab"}, {"b", "a"}})));
  std::string word;
  for (int i = 0; i < 10'000; ++i) word += "ab";
  std::string long_word;
  for (int i = 0; i < 20; ++i) long_word += word;
  // 20 times as long: 20 to 30 times as much work, and 400 times if it were quadratic.
  EXPECT_LT(SecondsToEncode(tokenizer, long_word), 100 * SecondsToEncode(tokenizer, word));
}

}  // namespace
}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
// BPE of text, Unigram and WordPiece, through a tokenizer.json of each.

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "engine/model/tokenizer/tokenizer.h"
#include "proto/status/reason.h"
#include "tests/engine/tokenizer/small_tokenizer.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json FileOf(const json& model) {
  return {{"version", "1.0"}, {"added_tokens", json::array()}, {"pre_tokenizer", nullptr}, {"model", model}};
}

/// "a" to "d" and what `more` has; ids in order.
json BpeJson(const std::vector<std::string>& more, const json& merges, const json& options = json::object()) {
  json vocabulary = {{"<unk>", 0}, {"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}};
  for (const std::string& token : more) vocabulary.emplace(token, vocabulary.size());
  json model = {{"type", "BPE"}, {"unk_token", "<unk>"}, {"vocab", vocabulary}, {"merges", merges}};
  model.update(options);
  return FileOf(model);
}

json Scored(const std::string& text, double score) { return json::array({text, score}); }

json UnigramJson() {
  const json vocabulary = json::array(
      {Scored("<unk>", 0), Scored("a", -1), Scored("b", -1.5), Scored("ab", -2.5), Scored("abc", -2), Scored("c", -9)});
  return FileOf({{"type", "Unigram"}, {"unk_id", 0}, {"vocab", vocabulary}});
}

json WordPieceJson() {
  json file = FileOf({{"type", "WordPiece"},
                      {"unk_token", "[UNK]"},
                      {"continuing_subword_prefix", "##"},
                      {"max_input_chars_per_word", 10},
                      {"vocab", {{"[UNK]", 0}, {"un", 1}, {"##aff", 2}, {"##able", 3}, {"##a", 4}, {"##", 5}}}});
  file["pre_tokenizer"] = {{"type", "WhitespaceSplit"}};
  return file;
}

std::vector<int32_t> Encode(const json& file, const std::string& text) {
  const auto tokenizer = MakeTokenizer(file);
  EXPECT_OK(tokenizer);
  if (!tokenizer.ok()) return {};
  const auto ids = tokenizer->Encode(text, SpecialTokens::kAdd);
  EXPECT_OK(ids);
  return ids.value_or(std::vector<int32_t>());
}

TEST(CharacterBpeTest, MergesCharacters) {
  const json file = BpeJson({"ab", "abc"}, {"a b", "ab c"});
  EXPECT_THAT(Encode(file, "abcab"), ElementsAre(6, 5));
  EXPECT_THAT(Encode(file, "dabd"), ElementsAre(4, 5, 4)) << "no merge reaches d";
}

TEST(CharacterBpeTest, TreatsTheUnknownAsAsked) {
  EXPECT_THAT(Encode(BpeJson({}, json::array()), "axyb"), ElementsAre(1, 0, 0, 2));
  EXPECT_THAT(Encode(BpeJson({}, json::array(), {{"fuse_unk", true}}), "axyb"), ElementsAre(1, 0, 2));
  EXPECT_THAT(Encode(BpeJson({}, json::array(), {{"unk_token", nullptr}}), "axyb"), ElementsAre(1, 2));
  const json spelling = BpeJson({"<0xC3>", "<0xA9>"}, json::array(), {{"byte_fallback", true}});
  EXPECT_THAT(Encode(spelling, "aéèb"), ElementsAre(1, 5, 6, 0, 2)) << "all bytes of a character, or none";
}

TEST(CharacterBpeTest, MarksTheInsideAndTheEndOfWords) {
  EXPECT_THAT(Encode(BpeJson({"b</w>", "ab</w>"}, {"a b</w>"}, {{"end_of_word_suffix", "</w>"}}), "cab"),
              ElementsAre(3, 6));
  EXPECT_THAT(Encode(BpeJson({"##b", "ab"}, {"a ##b"}, {{"continuing_subword_prefix", "##"}}), "abb"),
              ElementsAre(6, 5));
}

TEST(CharacterBpeTest, TakesWholeWordsFirstWhereMergesAreIgnored) {
  const json file = BpeJson({"dab"}, json::array(), {{"ignore_merges", true}});
  EXPECT_THAT(Encode(file, "dab"), ElementsAre(5));
  EXPECT_THAT(Encode(file, "daba"), ElementsAre(4, 1, 2, 1));
}

TEST(UnigramTest, TakesTheBestSum) {
  EXPECT_THAT(Encode(UnigramJson(), "ab"), ElementsAre(3)) << "of equal sums that which is found first";
  EXPECT_THAT(Encode(UnigramJson(), "abcbab"), ElementsAre(4, 2, 3));
}

TEST(UnigramTest, TreatsTheUnknownAsAsked) {
  json file = UnigramJson();
  EXPECT_THAT(Encode(file, "axyb"), ElementsAre(1, 0, 2));
  file["model"]["vocab"].push_back(Scored("<0x78>", 0));
  file["model"]["byte_fallback"] = true;
  EXPECT_THAT(Encode(file, "axxb"), ElementsAre(1, 6, 6, 2));
  EXPECT_THAT(Encode(file, "axyb"), ElementsAre(1, 0, 2)) << "all bytes of a run, or none";
  file["model"]["unk_id"] = nullptr;
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(file));
  EXPECT_THAT(tokenizer.Encode("ay", SpecialTokens::kAdd),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no token for \"y\"")));
}

TEST(WordPieceTest, TakesTheLongestFrontAgainAndAgain) {
  EXPECT_THAT(Encode(WordPieceJson(), "unaffable un"), ElementsAre(1, 2, 3, 1));
  EXPECT_THAT(Encode(WordPieceJson(), "unx unaffafff aff ##"), ElementsAre(0, 0, 0, 5));
  EXPECT_THAT(Encode(WordPieceJson(), "unaaaaaaaa unaaaaaaaaa"), ElementsAre(1, 4, 4, 4, 4, 4, 4, 4, 4, 0));
}

struct Fault {
  std::string place;
  json value;
  std::string message;
};

void ExpectRefused(const json& good, const std::vector<Fault>& faults) {
  ASSERT_OK(MakeTokenizer(good));
  for (const Fault& fault : faults) {
    json file = good;
    file[json::json_pointer(fault.place)] = fault.value;
    EXPECT_THAT(MakeTokenizer(file), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(fault.message)))
        << fault.place << ": " << fault.value;
  }
}

TEST(ModelFaultTest, IsNamed) {
  ExpectRefused(BpeJson({}, json::array()), {{"/model/unk_token", "<none>", "\"unk_token\" \"<none>\" is not in"},
                                             {"/model/merges", {"a b"}, "not in the vocabulary"},
                                             {"/model/continuing_subword_prefix", 5, "\"continuing_subword_prefix\""}});
  ExpectRefused(UnigramJson(), {{"/model/unk_id", 6, "\"unk_id\" is 6 of a vocabulary of 6"},
                                {"/model/unk_id", -1, "\"unk_id\" must have an id"},
                                {"/model/vocab", json::array(), "\"vocab\" is empty"},
                                {"/model/vocab/1", json::array({"a"}), "entry 1 is not a text and a score"},
                                {"/model/vocab/1", json::array(), "is not a text and a score"},
                                {"/model/vocab/1", json::array({-1, "a"}), "is not a text and a score"},
                                {"/model/vocab/1", json::array({"a", "b"}), "is not a text and a score"},
                                {"/model/vocab/1", json::array({"a", nullptr}), "is not a text and a score"},
                                {"/model/vocab/1/0", "b", "the token \"b\" appears twice"},
                                {"/model/vocab", {{"a", 1}}, "\"vocab\" has another form"}});
  ExpectRefused(WordPieceJson(), {{"/model/unk_token", "[X]", "\"[X]\" is not in the vocabulary"},
                                  {"/model/max_input_chars_per_word", -1, "\"max_input_chars_per_word\""},
                                  {"/model/vocab", json::object(), "\"vocab\" is empty"}});
}

double SecondsToEncode(const Tokenizer& tokenizer, const std::string& text) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    timespec begin{};
    timespec end{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    EXPECT_OK(tokenizer.Encode(text, SpecialTokens::kAdd));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    best = std::min(
        best, static_cast<double>(end.tv_sec - begin.tv_sec) + 1e-9 * static_cast<double>(end.tv_nsec - begin.tv_nsec));
  }
  return best;
}

TEST(ModelsTest, TakeTimeInProportionToALongWord) {
  std::vector<std::string> more = {"ab", "abab", "abababab"};
  json word_piece = WordPieceJson();
  word_piece["model"]["max_input_chars_per_word"] = 1'000'000'000;
  word_piece["model"]["vocab"] = {{"[UNK]", 0}, {"ab", 1}, {"##ab", 2}, {"##abab", 3}};
  for (const json& file : {BpeJson(more, {"a b", "ab ab", "abab abab"}), UnigramJson(), word_piece}) {
    ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, MakeTokenizer(file));
    std::string word;
    for (int i = 0; i < 10'000; ++i) word += "ab";
    std::string long_word;
    for (int i = 0; i < 20; ++i) long_word += word;
    // 20 times as long: 20 to 30 times as much work, and 400 times if it were quadratic.
    EXPECT_LT(SecondsToEncode(tokenizer, long_word), 100 * SecondsToEncode(tokenizer, word)) << file["model"]["type"];
  }
}

}  // namespace
}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/pre_tokenizer.h"

#include <string>
#include <vector>

#include "engine/model/tokenizer/utf8.h"
#include "tests/engine/tokenizer/small_tokenizer.h"
#include "tests/support/status_matchers.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Words = std::vector<std::string>;

json ByteLevelOnly() { return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}; }

/// The component, with a ByteLevel after it that splits nothing.
json Before(const json& component) { return {{"type", "Sequence"}, {"pretokenizers", {component, ByteLevelOnly()}}}; }

json SplitAt(const json& pattern, const std::string& behavior, bool invert = false) {
  return Before({{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}, {"invert", invert}});
}

Words Split(const json& component, const std::string& text) {
  const auto pre_tokenizer = PreTokenizer::Create(&component);
  EXPECT_OK(pre_tokenizer);
  if (!pre_tokenizer.ok()) return {};
  RegexScratch scratch;
  Words words;
  EXPECT_OK(pre_tokenizer->Split({text, text.empty() ? 0 : CharacterAt(text, 0).num_bytes}, &scratch,
                                 [&](absl::string_view word) {
                                   words.emplace_back(word);
                                   return absl::OkStatus();
                                 }));
  return words;
}

TEST(PreTokenizerTest, ByteLevelSplitsAsGpt2Does) {
  EXPECT_THAT(Split(ByteLevelJson(), "I'm  here, 12 o'clock!\n\n x"),
              ElementsAre("I", "'m", " ", " here", ",", " 12", " o", "'", "clock", "!", "\n\n", " x"));
  EXPECT_THAT(Split(ByteLevelJson(), ""), ElementsAre());
}

TEST(PreTokenizerTest, ByteLevelPutsASpaceInFront) {
  json component = ByteLevelJson();
  component["add_prefix_space"] = true;
  EXPECT_THAT(Split(component, "to be"), ElementsAre(" to", " be"));
  EXPECT_THAT(Split(component, " to be"), ElementsAre(" to", " be"));
  EXPECT_THAT(Split(component, "\tto"), ElementsAre(" ", "\t", "to"));
}

TEST(PreTokenizerTest, ByteLevelPutsASpaceInFrontOfEachPiece) {
  json prefixing = ByteLevelOnly();
  prefixing["add_prefix_space"] = true;
  const json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const json component = {{"type", "Sequence"}, {"pretokenizers", {digits, prefixing}}};
  EXPECT_THAT(Split(component, "a12"), ElementsAre(" a", " 1", " 2"));
}

TEST(PreTokenizerTest, ByteLevelLeavesTextWholeWithoutItsPattern) {
  EXPECT_THAT(Split(ByteLevelOnly(), "I'm here"), ElementsAre("I'm here"));
}

TEST(PreTokenizerTest, DigitsStandAloneOrTogether) {
  EXPECT_THAT(Split(Before({{"type", "Digits"}, {"individual_digits", true}}), "a12½٣ b"),
              ElementsAre("a", "1", "2", "½", "٣", " b"));
  EXPECT_THAT(Split(Before({{"type", "Digits"}, {"individual_digits", false}}), "a12½٣ b"),
              ElementsAre("a", "12½٣", " b"));
}

struct BehaviorCase {
  std::string behavior;
  bool invert;
  Words words;
};

void PrintTo(const BehaviorCase& behavior_case, std::ostream* out) { *out << behavior_case.behavior; }

class SplitBehaviorTest : public ::testing::TestWithParam<BehaviorCase> {};

TEST_P(SplitBehaviorTest, JoinsDelimiters) {
  const json component = SplitAt({{"String", "-"}}, GetParam().behavior, GetParam().invert);
  EXPECT_EQ(Split(component, "the-final--day-"), GetParam().words);
}

INSTANTIATE_TEST_SUITE_P(Behaviors, SplitBehaviorTest,
                         ::testing::Values(BehaviorCase{"Removed", false, {"the", "final", "day"}},
                                           BehaviorCase{"Isolated", false, {"the", "-", "final", "-", "-", "day", "-"}},
                                           BehaviorCase{"MergedWithPrevious", false, {"the-", "final-", "-", "day-"}},
                                           BehaviorCase{"MergedWithNext", false, {"the", "-final", "-", "-day", "-"}},
                                           BehaviorCase{"Contiguous", false, {"the", "-", "final", "--", "day", "-"}},
                                           BehaviorCase{"Removed", true, {"-", "-", "-", "-"}},
                                           BehaviorCase{
                                               "MergedWithPrevious", true, {"the", "-final", "-", "-day", "-"}},
                                           BehaviorCase{"MergedWithNext", true, {"the-", "final-", "-", "day-"}}),
                         [](const auto& test) { return test.param.behavior + (test.param.invert ? "_inverted" : ""); });

TEST(PreTokenizerTest, SplitTakesStringsLiterally) {
  EXPECT_THAT(Split(SplitAt({{"String", ".*"}}, "Removed"), "a.*b*"), ElementsAre("a", "b*"));
  EXPECT_THAT(Split(SplitAt({{"String", ""}}, "Isolated"), "aé"), ElementsAre("a", "é"));
}

TEST(PreTokenizerTest, SplitKeepsWhatLiesBetweenMatches) {
  EXPECT_THAT(Split(SplitAt({{"Regex", R"(\p{N}{1,3})"}}, "Isolated"), "a12345 b"),
              ElementsAre("a", "123", "45", " b"));
  EXPECT_THAT(Split(SplitAt({{"Regex", "a*"}}, "Isolated"), "baac"), ElementsAre("b", "aa", "c"));
}

TEST(PreTokenizerTest, PartsOfASequenceWorkOnPiecesAlone) {
  const json space = {{"type", "Split"}, {"pattern", {{"String", "|"}}}, {"behavior", "Removed"}, {"invert", false}};
  const json component = {{"type", "Sequence"},
                          {"pretokenizers", {Before(space)["pretokenizers"][0], ByteLevelJson()}}};
  // The lookahead of "\s+(?!\S)" ends with the piece.
  EXPECT_THAT(Split(component, "a  |b  c"), ElementsAre("a", "  ", "b", " ", " c"));
}

TEST(PreTokenizerTest, ClassifiesCharactersAsOnigurumaDoes) {
  const json letters = SplitAt({{"Regex", R"(\p{L}+|[^\s\p{L}]+)"}}, "Isolated");
  // A letter and a symbol of Unicode 16, which PCRE2 10.42 does not know, and U+180E, which it takes for a space.
  EXPECT_THAT(Split(letters, "a\U00010D4B+\U0001CC00"), ElementsAre("a\U00010D4B", "+\U0001CC00"));
  EXPECT_THAT(Split(letters, "a \u180E+"), ElementsAre("a", " ", "\u180E+"));
}

TEST(PreTokenizerTest, GivesUpOnPatternsThatTakeTooLong) {
  const json component = SplitAt({{"Regex", "(?:a+)+b"}}, "Isolated");
  ASSERT_OK_AND_ASSIGN(const PreTokenizer pre_tokenizer, PreTokenizer::Create(&component));
  RegexScratch scratch;
  const std::string text(100, 'a');
  EXPECT_THAT(pre_tokenizer.Split({text}, &scratch, [](absl::string_view) { return absl::OkStatus(); }),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("match limit")));
}

json Metaspace(const json& more = json::object()) {
  json component = {{"type", "Metaspace"}, {"replacement", "\u2581"}};
  component.update(more);
  return component;
}

TEST(PreTokenizerTest, MetaspaceBeginsWordsWithItsCharacter) {
  EXPECT_THAT(Split(Metaspace(), "a  b c "), ElementsAre("\u2581a", "\u2581", "\u2581b", "\u2581c", "\u2581"));
  EXPECT_THAT(Split(Metaspace({{"split", false}}), "a b"), ElementsAre("\u2581a\u2581b"));
  EXPECT_THAT(Split(Metaspace(), " a"), ElementsAre("\u2581a"));
  EXPECT_THAT(Split(Metaspace({{"prepend_scheme", "never"}}), "a b"), ElementsAre("a", "\u2581b"));
  EXPECT_THAT(Split(Metaspace({{"add_prefix_space", false}}), "a b"), ElementsAre("a", "\u2581b"));
  EXPECT_THAT(Split(Metaspace({{"add_prefix_space", true}}), "a b"), ElementsAre("\u2581a", "\u2581b"));
}

TEST(PreTokenizerTest, MetaspaceCanPrefixTheTextsFrontOnly) {
  const auto after_split = [](const std::string& scheme) {
    return json{{"type", "Sequence"},
                {"pretokenizers", {{{"type", "WhitespaceSplit"}}, Metaspace({{"prepend_scheme", scheme}})}}};
  };
  EXPECT_THAT(Split(after_split("always"), "a b"), ElementsAre("\u2581a", "\u2581b"));
  EXPECT_THAT(Split(after_split("first"), "a b"), ElementsAre("\u2581a", "b"));
  EXPECT_THAT(Split(after_split("first"), " a b"), ElementsAre("a", "b"));
}

TEST(PreTokenizerTest, SplitsAtClassesOfCharacters) {
  EXPECT_THAT(Split({{"type", "BertPreTokenizer"}}, "Hey, you\u3000there's\u3002"),
              ElementsAre("Hey", ",", "you", "there", "'", "s", "\u3002"));
  EXPECT_THAT(Split({{"type", "Whitespace"}}, "it's 3.5\u00A0km!? "),
              ElementsAre("it", "'", "s", "3", ".", "5", "km", "!?"));
  EXPECT_THAT(Split({{"type", "WhitespaceSplit"}}, " it's  3.5 "), ElementsAre("it's", "3.5"));
  EXPECT_THAT(Split({{"type", "Punctuation"}, {"behavior", "Contiguous"}}, "a...b!"),
              ElementsAre("a", "...", "b", "!"));
  EXPECT_THAT(Split({{"type", "CharDelimiterSplit"}, {"delimiter", "|"}}, "a||b|"), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace pivot::tokenizer

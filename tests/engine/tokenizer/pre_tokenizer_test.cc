// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/pre_tokenizer.h"

#include <string>
#include <vector>

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
  EXPECT_OK(pre_tokenizer->Split(text, &scratch, [&](absl::string_view word) { words.emplace_back(word); }));
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
  EXPECT_THAT(pre_tokenizer.Split(std::string(100, 'a'), &scratch, [](absl::string_view) {}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("match limit")));
}

}  // namespace
}  // namespace pivot::tokenizer

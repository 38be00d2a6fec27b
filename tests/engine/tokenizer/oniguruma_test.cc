// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/oniguruma.h"

#include <string>
#include <vector>

#include "engine/model/tokenizer/regex.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot::tokenizer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Matches = std::vector<std::string>;

/// What the pattern matches in the text, one after another.
Matches FindAll(absl::string_view pattern, absl::string_view text) {
  const auto translation = TranslateOniguruma(pattern);
  EXPECT_OK(translation);
  if (!translation.ok()) return {};
  const auto regex = Regex::Compile(*translation);
  EXPECT_OK(regex);
  RegexScratch scratch;
  Matches matches;
  for (size_t from = 0; regex.ok();) {
    const auto match = regex->Find(text, from, &scratch);
    EXPECT_OK(match);
    if (!match.ok() || !match->has_value() || (*match)->end == (*match)->begin) break;
    matches.emplace_back(text.substr((*match)->begin, (*match)->end - (*match)->begin));
    from = (*match)->end;
  }
  return matches;
}

TEST(OnigurumaTest, RepeatsAnIntervalFollowedByPlus) {
  EXPECT_THAT(FindAll(R"(\d{1,3}+)", "12345 6"), ElementsAre("12345", "6"));
  EXPECT_THAT(FindAll(R"(\d{1,3})", "12345 6"), ElementsAre("123", "45", "6"));
  EXPECT_THAT(FindAll("a{,2}b", "aaab"), ElementsAre("aab"));
  EXPECT_THAT(FindAll("(?:ab){2}", "ababab"), ElementsAre("abab"));
}

TEST(OnigurumaTest, KnowsLazyAndPossessiveRepetition) {
  EXPECT_THAT(FindAll("<.+?>", "<a><b>"), ElementsAre("<a>", "<b>"));
  EXPECT_THAT(FindAll("a++a|b", "aab"), ElementsAre("b"));
  EXPECT_THAT(FindAll("(?>a|ab)c", "abcac"), ElementsAre("ac"));
}

TEST(OnigurumaTest, MatchesAtomicGroupsAsTheyAreDefined) {
  // JIT code of PCRE2 10.42 finds "/12/" when it may optimize the start.
  EXPECT_THAT(FindAll(".(?>[^J]*/|.)./", "%/12/J$"), ElementsAre());
}

TEST(OnigurumaTest, GivesBackWhatARepeatedPropertyHasTaken) {
  // PCRE2 10.42 finds nothing when it may make the repetition possessive.
  EXPECT_THAT(FindAll(R"(\P{N}*\P{L})", "ab, c"), ElementsAre("ab, "));
}

TEST(OnigurumaTest, HasItsOwnWordCharacters) {
  EXPECT_THAT(FindAll(R"(\w+)", "e\u0301_\u200D\u24B6\u00B2"), ElementsAre("e\u0301_", "\u24B6\u00B2"));
  EXPECT_THAT(FindAll(R"([\w]+)", "a\u00B2"), ElementsAre("a"));
  EXPECT_THAT(FindAll(R"(\W+)", "a\u00B2, b"), ElementsAre(", "));
}

TEST(OnigurumaTest, ReadsEscapes) {
  EXPECT_THAT(FindAll(R"([\v\x41\u0042\x{1F600}\]]+)", "AB\v😀]\n"), ElementsAre("AB\v😀]"));
  EXPECT_THAT(FindAll(R"(\{\}\.)", "{}."), ElementsAre("{}."));
  EXPECT_THAT(FindAll("a{b}#", "a{b}#"), ElementsAre("a{b}#"));
}

TEST(OnigurumaTest, ReadsClasses) {
  EXPECT_THAT(FindAll("[a-c_-]+", "a-c_d"), ElementsAre("a-c_"));
  EXPECT_THAT(FindAll("[^\\s\\p{L}]+", "ab 1! é"), ElementsAre("1!"));
  EXPECT_THAT(FindAll("\\p{^L}+", "ab1!é"), ElementsAre("1!"));
  EXPECT_THAT(FindAll("[一-龥]+", "a日本か"), ElementsAre("日本"));
  EXPECT_THAT(FindAll("[a&]+", "a&b"), ElementsAre("a&"));
}

TEST(OnigurumaTest, IgnoresCaseInAGroup) {
  EXPECT_THAT(FindAll("(?i:'s|'re)x", "'Sx'REx'rEX'\u017Fx"), ElementsAre("'Sx", "'REx", "'\u017Fx"));
}

TEST(OnigurumaTest, AnchorsAtLines) { EXPECT_THAT(FindAll("^a|b$", "ab\nab"), ElementsAre("a", "b", "a", "b")); }

class OnigurumaRefusalTest : public ::testing::TestWithParam<const char*> {};

TEST_P(OnigurumaRefusalTest, IsUnsupported) {
  const auto translation = TranslateOniguruma(GetParam());
  EXPECT_THAT(translation, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in the pattern")));
  EXPECT_EQ(ReasonOf(translation.status()), "UNSUPPORTED_TOKENIZER");
}

INSTANTIATE_TEST_SUITE_P(Patterns, OnigurumaRefusalTest,
                         ::testing::Values("\\b", "\\B", "\\h", "\\R", "\\X", "\\K", "\\G", "\\1", "\\Z", "\\",
                                           "\\p{Han}", "\\pL", "\\p{L", "\\xE9", "\\x{110000}", "\\x{D800}", "\\u12",
                                           "(?<n>a)", "(?i)a", "(?m:a)", "(?#x)", "(?~a)", "(", ")", "a)", "(a", "[",
                                           "[]a]", "[a", "[[:alpha:]]", "[a-\\d]", "[c-a]", "[a-c-e]", "[\\W]",
                                           "[a&&b]", "*", "a**", "a{2}{3}", "a{2}?", "a{3,2}", "a{1,3}+?", "a{,}",
                                           "a{1,", "(?=a)*", "^*", "(?i:ss)", "(?i:é)", "(?i:[é])", "(?i:[^a])",
                                           "(?i:\\p{L})", "(?i:a{2})", "\U0001F8C0", "[\U0001F300-\U0001FAFF]",
                                           "[\u1C80-\u1C89]"));

TEST(OnigurumaTest, BoundsNesting) {
  EXPECT_OK(TranslateOniguruma(std::string(100, '(') + "a" + std::string(100, ')')));
  EXPECT_THAT(TranslateOniguruma(std::string(101, '(')),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("groups")));
}

}  // namespace
}  // namespace pivot::tokenizer

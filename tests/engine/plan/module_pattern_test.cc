// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/module_pattern.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

bool Matches(const std::string& pattern, const std::string& module) {
  const auto parsed = ModulePattern::Parse(pattern);
  EXPECT_OK(parsed) << pattern;
  const auto matches = parsed->Matches(module);
  EXPECT_OK(matches) << pattern;
  return *matches;
}

std::string Refusal(const std::string& pattern) {
  return std::string(ModulePattern::Parse(pattern).status().message());
}

TEST(ModulePatternTest, MatchesWholeNamesByGlobs) {
  const std::string module = "model.layers.13.mlp.down_proj";
  for (const char* glob : {"model.layers.13.mlp.down_proj", "*", "**", "*.down_proj", "model.*", "*mlp*", "*.1?.*proj",
                           "model.layers.*.down_proj", "*[1-3].mlp.*", "*.[!2-9][!0-2].*", "*[n_]_proj", "*d*d*"})
    EXPECT_TRUE(Matches(glob, module)) << glob;
  for (const char* glob : {"down_proj", "model.layers.1", "*.mlp", "model.layers.?.*", "*.down_proj?", "*[!j]",
                           "*d*d*d*", "Model.*", "model.layers.13.mlp.down_proj*x"})
    EXPECT_FALSE(Matches(glob, module)) << glob;
}

TEST(ModulePatternTest, TakesDotsOfGlobsForDots) { EXPECT_FALSE(Matches("a.b", "axb")); }

TEST(ModulePatternTest, MatchesSetsWithADashOrABracket) {
  EXPECT_TRUE(Matches("a[-x]", "a-"));
  EXPECT_TRUE(Matches("a[]x]", "a]"));
  EXPECT_FALSE(Matches("a[!]x]", "a]"));
  EXPECT_FALSE(Matches("a[c-a]", "ab"));
}

TEST(ModulePatternTest, MatchesExpressionsFromTheFirstCharacterOn) {
  const std::string module = "model.layers.13.mlp.down_proj";
  for (const char* pattern : {"re:model", "re:.*down_proj$", "re:model\\.layers\\.(3|13)\\.", "re:(?!.*attn).*mlp"})
    EXPECT_TRUE(Matches(pattern, module)) << pattern;
  for (const char* pattern : {"re:down_proj", "re:.*down$", "re:layers", "re:^mlp"})
    EXPECT_FALSE(Matches(pattern, module)) << pattern;
}

TEST(ModulePatternTest, SaysWhatIsWrong) {
  EXPECT_EQ(Refusal(""), "is empty");
  EXPECT_EQ(Refusal("re:"), "is empty");
  EXPECT_EQ(Refusal("*[0-9.mlp"), "has a \"[\" without its \"]\"");
  EXPECT_EQ(Refusal("*[]"), "has a \"[\" without its \"]\"");
  EXPECT_EQ(Refusal(std::string(1'001, 'a')), "has 1001 bytes; allowed: 1000");
  EXPECT_THAT(Refusal("re:a(b"), HasSubstr("is no regular expression: missing closing parenthesis"));
  EXPECT_THAT(Refusal("re:a(b"), HasSubstr("(at character 3 behind \"re:\")"));
}

TEST(ModulePatternTest, StopsExpressionsThatWouldRunForEver) {
  const auto pattern = ModulePattern::Parse("re:(a+a+)+[bc]");
  ASSERT_OK(pattern);
  EXPECT_THAT(pattern->Matches(std::string(60, 'a')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("match limit exceeded")));
}

TEST(ModulePatternTest, MatchesGlobsOfManyStarsInTheProductOfTheLengths) {
  std::string glob;
  for (int i = 0; i < 300; ++i) glob += "*a";
  EXPECT_FALSE(Matches(glob + "*b", std::string(100'000, 'a')));
}

}  // namespace
}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/added_tokens.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "tests/engine/tokenizer/small_tokenizer.h"
#include "tests/support/status_matchers.h"

namespace pivot::tokenizer {
namespace {

using ::testing::ElementsAre;

constexpr int kFirstId = 2;

/// The flags that are set.
struct Flags {
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
};

/// Texts as they are, tokens as "#0", "#1" in the order given.
std::vector<std::string> Split(const std::vector<std::pair<std::string, Flags>>& tokens, const std::string& text) {
  TextList model_tokens;
  model_tokens.Add("x");
  model_tokens.Add("y");
  const auto vocabulary = Vocabulary::Create(std::move(model_tokens), {0, 1});
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [content, flags] : tokens) {
    list.push_back(
        AddedTokenJson(kFirstId + static_cast<int>(list.size()), content,
                       {{"single_word", flags.single_word}, {"lstrip", flags.lstrip}, {"rstrip", flags.rstrip}}));
  }
  const auto added = AddedTokens::Create(&list, *vocabulary, Normalizer());
  EXPECT_OK(added);
  std::vector<std::string> parts;
  if (!added.ok()) return parts;
  const auto on_text = [&](absl::string_view part) {
    parts.emplace_back(part);
    return absl::OkStatus();
  };
  EXPECT_OK(
      added->verbatim().Split(text, on_text, [&](int32_t id) { parts.push_back(absl::StrCat("#", id - kFirstId)); }));
  return parts;
}

TEST(AddedTokensTest, AreFoundAnywhere) {
  EXPECT_THAT(Split({{"<s>", {}}}, "<s>a<s><s>b<s"), ElementsAre("#0", "a", "#0", "#0", "b<s"));
  EXPECT_THAT(Split({}, "a"), ElementsAre("a"));
  EXPECT_THAT(Split({{"<s>", {}}}, ""), ElementsAre());
}

TEST(AddedTokensTest, TheLongestOfTheLeftmostIsTaken) {
  EXPECT_THAT(Split({{"<|", {}}, {"<|x|>", {}}, {"x|>y", {}}}, "<|x|>y <|x|"), ElementsAre("#1", "y ", "#0", "x|"));
  EXPECT_THAT(Split({{"ab", {}}, {"abcd", {}}, {"c", {}}}, "abce"), ElementsAre("#0", "#2", "e"));
}

TEST(AddedTokensTest, SingleWordsTouchNoWordCharacter) {
  const Flags flags = {.single_word = true};
  EXPECT_THAT(Split({{"<m>", flags}}, "<m> a<m> <m>b <m>-_<m>"), ElementsAre("#0", " a<m> <m>b ", "#0", "-_<m>"));
  EXPECT_THAT(Split({{"<m>", flags}}, "\u0301<m>\u3002<m>\u200D"), ElementsAre("\u0301<m>\u3002<m>\u200D"));
}

TEST(AddedTokensTest, WhatASingleWordCoversIsNotSearchedAgain) {
  EXPECT_THAT(Split({{"ab", {.single_word = true}}, {"b", {}}}, "xab ab"), ElementsAre("xab ", "#0"));
}

TEST(AddedTokensTest, StripTakesWhiteSpaceAround) {
  EXPECT_THAT(Split({{"<m>", {.lstrip = true}}}, "a \n\u3000<m> b"), ElementsAre("a", "#0", " b"));
  EXPECT_THAT(Split({{"<m>", {.rstrip = true}}}, "a <m>\t\u0085\u00A0b <m> "), ElementsAre("a ", "#0", "b ", "#0"));
  EXPECT_THAT(Split({{"<m>", {.rstrip = true}}}, "<m>\u180E"), ElementsAre("#0", "\u180E"));
}

TEST(AddedTokensTest, WhiteSpaceIsTakenOnce) {
  const Flags both = {.lstrip = true, .rstrip = true};
  EXPECT_THAT(Split({{"<m>", both}}, "  <m>  <m>  "), ElementsAre("#0", "#0"));
  EXPECT_THAT(Split({{" ", both}}, "a    b"), ElementsAre("a", "#0", "b"));
  // A token that begins in what is taken already is found all the same.
  EXPECT_THAT(Split({{"<m>", {.rstrip = true}}, {" z", {}}}, "<m> zb"), ElementsAre("#0", "#1", "b"));
}

}  // namespace
}  // namespace pivot::tokenizer

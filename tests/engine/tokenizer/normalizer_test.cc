// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/normalizer.h"

#include <cstdint>
#include <string>

#include "tests/engine/tokenizer/small_tokenizer.h"
#include "tests/support/status_matchers.h"

namespace pivot::tokenizer {
namespace {

using nlohmann::json;

/// `origin_bytes` ends between two characters.
NormalizedText Apply(const json& component, const std::string& text, size_t origin_bytes) {
  const auto normalizer = Normalizer::Create(&component);
  EXPECT_OK(normalizer);
  if (!normalizer.ok()) return {};
  RegexScratch scratch;
  NormalizedText storage;
  const auto result = normalizer->Apply({text, origin_bytes}, &scratch, &storage);
  EXPECT_OK(result);
  if (!result.ok()) return {};
  return {std::string(result->text), result->origin_bytes};
}

std::string Normalized(const json& component, const std::string& text) { return Apply(component, text, 0).text; }

json Bert(const json& changes = json::object()) {
  json component = {{"type", "BertNormalizer"},
                    {"clean_text", true},
                    {"handle_chinese_chars", true},
                    {"strip_accents", nullptr},
                    {"lowercase", true}};
  component.update(changes);
  return component;
}

json Replace(const json& pattern, const std::string& content) {
  return {{"type", "Replace"}, {"pattern", pattern}, {"content", content}};
}

TEST(NormalizerTest, CleansAsBertDoes) {
  EXPECT_EQ(Normalized(Bert(), "Äb\tC\u00A0\u200B\u0007中x"), "ab c  中 x");
  EXPECT_EQ(Normalized(Bert({{"lowercase", false}}), "Äb"), "Äb") << "accents go where capitals go";
  EXPECT_EQ(Normalized(Bert({{"lowercase", false}, {"strip_accents", true}}), "Äb"), "Ab");
  EXPECT_EQ(Normalized(Bert({{"clean_text", false}}), "\tA"), "\ta");
}

TEST(NormalizerTest, ChangesTextStepByStep) {
  EXPECT_EQ(Normalized({{"type", "Lowercase"}}, "ÀΣİ"), "àσi\u0307");
  EXPECT_EQ(Normalized({{"type", "StripAccents"}}, "e\u0301é"), "eé");
  EXPECT_EQ(Normalized({{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}}, " \u3000a "), "a ");
  EXPECT_EQ(Normalized({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}}, "   "), "");
  EXPECT_EQ(Normalized({{"type", "Prepend"}, {"prepend", "_"}}, "a"), "_a");
  EXPECT_EQ(Normalized({{"type", "Prepend"}, {"prepend", "_"}}, ""), "");
  EXPECT_EQ(Normalized(Replace({{"String", "aa"}}, "b"), "aaaxa"), "baxa");
  EXPECT_EQ(Normalized(Replace({{"Regex", " {2,}"}}, "_"), "a  b c   "), "a_b c_");
  EXPECT_EQ(Normalized({{"type", "Nmt"}}, "a\tb\u0001c\u200Bd"), "a bc d");
  const json steps = {{{"type", "NFD"}}, {{"type", "StripAccents"}}, {{"type", "Lowercase"}}};
  EXPECT_EQ(Normalized({{"type", "Sequence"}, {"normalizers", steps}}, "ÉA"), "ea");
}

TEST(NormalizerTest, KnowsWhatCameFromTheFront) {
  EXPECT_EQ(Apply({{"type", "Prepend"}, {"prepend", "\u2581"}}, "ab", 1).origin_bytes, 4U);
  EXPECT_EQ(Apply({{"type", "Prepend"}, {"prepend", "\u2581"}}, "ab", 0).origin_bytes, 0U);
  EXPECT_EQ(Apply({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}}, " ab", 1).origin_bytes, 0U);
  EXPECT_EQ(Apply({{"type", "NFKC"}}, "\u00BDx", 2).origin_bytes, 5U);
  EXPECT_EQ(Apply(Replace({{"String", " "}}, "\u2581"), " a", 1).origin_bytes, 3U);
  EXPECT_EQ(Apply({{"type", "Lowercase"}}, "Ab", 1).origin_bytes, 1U);
}

/// The array of a charsmap with "A" -> "bc", and what damage may make of it.
std::string CharsmapBytes(uint32_t value) {
  std::string bytes;
  const auto add = [&](uint32_t unit) {
    for (uint32_t shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(unit >> shift & 0xFFU));
  };
  constexpr uint32_t kUnits = 512;
  constexpr uint32_t kPlace = 256U ^ 'A';
  add(4 * kUnits);
  for (uint32_t i = 0; i < kUnits; ++i) {
    if (i == 0) add(256U << 10U);
    if (i == kPlace) add((kPlace ^ 300U) << 10U | 1U << 8U | 'A');
    if (i == 300) add(1U << 31U | value);
    if (i != 0 && i != kPlace && i != 300) add(0);
  }
  return bytes + "bc" + std::string(1, '\0') + "\u00E9";
}

TEST(CharsmapTest, ReplacesWhatItHasARuleFor) {
  ASSERT_OK_AND_ASSIGN(const auto map, Charsmap::Parse(CharsmapBytes(0)));
  const auto rule = map.FindLongest("Ax");
  ASSERT_TRUE(rule.has_value());
  EXPECT_EQ(rule->num_bytes, 1U);
  EXPECT_EQ(rule->content, "bc");
  EXPECT_FALSE(map.FindLongest("xA").has_value());
}

TEST(CharsmapTest, TakesNothingFromOutsideItsContents) {
  for (const uint32_t value : {4U, 100U, 0x7FFFFFFFU}) {
    ASSERT_OK_AND_ASSIGN(const auto map, Charsmap::Parse(CharsmapBytes(value)));
    EXPECT_FALSE(map.FindLongest("A").has_value()) << value;  // 4 is within "é"
  }
  const std::string good = CharsmapBytes(0);
  for (size_t size = 0; size < 100; ++size) EXPECT_FALSE(Charsmap::Parse(good.substr(0, size)).ok());
}

}  // namespace
}  // namespace pivot::tokenizer

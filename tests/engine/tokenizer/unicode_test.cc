// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/unicode.h"

#include <string>

#include "engine/model/tokenizer/byte_level.h"
#include "engine/model/tokenizer/character_category.h"
#include "engine/model/tokenizer/unicode_form.h"
#include "engine/model/tokenizer/utf8.h"
#include "tests/support/status_matchers.h"

namespace pivot::tokenizer {
namespace {

constexpr char32_t kLastCodePoint = 0x10FFFF;

bool IsSurrogate(char32_t code_point) { return code_point >= 0xD800 && code_point < 0xE000; }

std::string Utf8(char32_t code_point) {
  std::string text;
  AppendUtf8(code_point, &text);
  return text;
}

std::string Nfc(const std::string& text) {
  const auto result = ToForm(UnicodeForm::kNfc, text);
  EXPECT_OK(result);
  return result.value_or("");
}

TEST(Utf8Test, ReadsEveryCharacterThatItWrites) {
  for (char32_t c = 0; c <= kLastCodePoint; ++c) {
    if (IsSurrogate(c)) continue;
    const std::string text = "é" + Utf8(c);
    ASSERT_EQ(FindInvalidUtf8(text), std::nullopt);
    ASSERT_EQ(CharacterAt(text, 2).code_point, c);
    ASSERT_EQ(LastCharacter(text).code_point, c);
    ASSERT_EQ(LastCharacter(text).num_bytes, text.size() - 2);
  }
}

TEST(Utf8Test, FindsWhatIsNotUtf8) {
  EXPECT_EQ(FindInvalidUtf8("a\x80"), 1);
  EXPECT_EQ(FindInvalidUtf8("é\xE0\x9F\xBF"), 2);  // overlong
  EXPECT_EQ(FindInvalidUtf8("\xED\xBF\xBF"), 0);   // a surrogate
  EXPECT_EQ(FindInvalidUtf8("ab\xF5\x80\x80\x80"), 2);
  EXPECT_EQ(FindInvalidUtf8("ab\xF0\x9F\x98"), 2);
}

TEST(Utf8Test, ReplacesTheLongestBeginnings) {
  EXPECT_EQ(ReplaceInvalidUtf8("a\xF0\x9F\x98z\xE2\x82\xC3\xA9"), "a\uFFFDz\uFFFDé");
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF\xE0\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(ByteLevelTest, StandsForEveryByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    EXPECT_EQ(BytesOfToken(TokenOfBytes(bytes)), bytes);
  }
  EXPECT_EQ(TokenOfBytes(" \n!"), "ĠĊ!");
  EXPECT_EQ(TokenOfBytes("\x7F\xAD"), "ġŃ");
  EXPECT_EQ(BytesOfToken("a b"), std::nullopt);
  EXPECT_EQ(BytesOfToken("日"), std::nullopt);
}

TEST(UnicodeTest, KnowsNumbersOfUnicode17) {
  EXPECT_TRUE(IsNumeric('7') && IsNumeric(0xBD) && IsNumeric(0x2167) && IsNumeric(0x11DE0));
  EXPECT_FALSE(IsNumeric('a') || IsNumeric(0x4E00));
}

TEST(UnicodeTest, KnowsWordCharacters) {
  EXPECT_TRUE(IsWordCharacter('_') && IsWordCharacter(0x301) && IsWordCharacter(0x200D) && IsWordCharacter(0x16D40));
  EXPECT_FALSE(IsWordCharacter('-') || IsWordCharacter(0xB2) || IsWordCharacter(' '));
}

TEST(UnicodeTest, ShadowsKeepTheirLength) {
  EXPECT_FALSE(HasOtherShadow("plain text, 日本語, 😀"));
  for (char32_t c = 0; c <= kLastCodePoint; ++c) {
    if (IsSurrogate(c)) continue;
    const std::string text = Utf8(c);
    const std::string shadow = ShadowOf(text);
    ASSERT_EQ(shadow.size(), text.size());
    ASSERT_EQ(shadow != text, HasOtherShadow(text));
    ASSERT_FALSE(HasOtherShadow(shadow)) << "a stand-in needs none";
  }
  EXPECT_EQ(ShadowOf("a\u180Eb"), "a\uFFF9b");
}

TEST(UnicodeTest, PatternsMayNameWhatShadowsShow) {
  EXPECT_TRUE(ShadowsAgreeOn('a', 'z'));
  EXPECT_TRUE(ShadowsAgreeOn(0x4E00, 0x9FFF));
  EXPECT_TRUE(ShadowsAgreeOn(0x80, kLastCodePoint));
  EXPECT_FALSE(ShadowsAgreeOn(0x180E, 0x180E));
  EXPECT_FALSE(ShadowsAgreeOn(0xFFF9, 0xFFF9));
  EXPECT_FALSE(ShadowsAgreeOn(0x1F300, 0x1FAFF));
}

TEST(NfcTest, ComposesAndReorders) {
  EXPECT_EQ(Nfc("e\u0301"), "é");
  EXPECT_EQ(Nfc("a\u0302\u0323"), "ậ");
  EXPECT_EQ(Nfc("\u1112\u1161\u11AB"), "한");
  EXPECT_EQ(Nfc("\u212B\u2126"), "ÅΩ");
  EXPECT_EQ(Nfc("\u0344"), "\u0308\u0301");
  EXPECT_EQ(Nfc(std::string("a\0e\u0301", 5)), std::string("a\0é", 4));
}

TEST(NfcTest, LeavesAloneWhatUnicode9DidNotKnow) {
  EXPECT_EQ(Nfc("\U00011935\U00011930"), "\U00011935\U00011930");    // composes in Unicode 13
  EXPECT_EQ(Nfc("a\u0898\u0323"), "a\u0898\u0323");                  // is reordered in Unicode 14
  EXPECT_EQ(Nfc("\U000105D2\u0307"), "\U000105D2\u0307");            // composes in Unicode 16
  EXPECT_EQ(Nfc("e\u0301\U0001E4EC\u0301e"), "é\U0001E4EC\u0301e");  // a mark of Unicode 15
  EXPECT_EQ(Nfc("\uAC00\u11A7\uAC00\u11A8"), "\uAC00\u11A7\uAC01");
}

TEST(NfcTest, SeesPlainTextAtAGlance) {
  EXPECT_TRUE(IsPlainly(UnicodeForm::kNfc, "plain é ¿ſ\u02FF"));
  EXPECT_FALSE(IsPlainly(UnicodeForm::kNfc, "e\u0301"));
  EXPECT_EQ(Nfc("plain é ¿ſ\u02FF"), "plain é ¿ſ\u02FF");
}

std::string Form(UnicodeForm form, const std::string& text) {
  const auto result = ToForm(form, text);
  EXPECT_OK(result);
  return result.value_or("");
}

TEST(UnicodeFormTest, TakesCharactersApart) {
  EXPECT_EQ(Form(UnicodeForm::kNfd, "\u1EAD\uD55C"), "a\u0323\u0302\u1112\u1161\u11AB");
  EXPECT_EQ(Form(UnicodeForm::kNfd, "\uFB01\u00BD"), "\uFB01\u00BD");
  EXPECT_EQ(Form(UnicodeForm::kNfkd, "\uFB01\u00BD\u00E9"), "fi1\u20442e\u0301");
  EXPECT_EQ(Form(UnicodeForm::kNfkc, "\uFB01\u00BDe\u0301\u3000"), "fi1\u20442\u00E9 ");
  // A square of Unicode 12.
  EXPECT_EQ(Form(UnicodeForm::kNfkc, "\u32FF\u32FE"), "\u32FF\u30F2");
}

TEST(UnicodeFormTest, SortsLongRunsOfMarks) {
  std::string marks;
  std::string above;
  std::string below;
  for (int i = 0; i < 300'000; ++i) {
    (i % 2 == 0 ? above : below) += i % 2 == 0 ? "\u0301" : "\u0323";
    marks += i % 2 == 0 ? "\u0301" : "\u0323";
  }
  // Exchanging neighbours would take 10^10 steps.
  EXPECT_EQ(Form(UnicodeForm::kNfd, "x" + marks + "x"), "x" + below + above + "x");
  EXPECT_EQ(Form(UnicodeForm::kNfc, "e" + marks).substr(0, 3), "\u1EB9");
}

TEST(CharacterCategoryTest, KnowsWhatTokenizersKnows) {
  EXPECT_TRUE(IsPunctuation('$'));
  EXPECT_TRUE(IsPunctuation(0x3002));
  EXPECT_FALSE(IsPunctuation(0x20AC));
  EXPECT_FALSE(IsPunctuation(0x2E52)) << "of Unicode 14";
  EXPECT_TRUE(IsBertControl(0x200B));
  EXPECT_FALSE(IsBertControl('\n'));
  EXPECT_FALSE(IsBertControl(0x378)) << "unassigned";
  EXPECT_TRUE(IsNonspacingMark(0x301));
  EXPECT_FALSE(IsNonspacingMark(0x903));
  EXPECT_TRUE(IsCombiningMark(0x903));
  EXPECT_EQ(Lowercase(0x3A3), 0x3C3U);
  EXPECT_EQ(Lowercase(0x10D50), 0x10D70U) << "of Unicode 16";
}

TEST(CharacterCategoryTest, FindsClusters) {
  EXPECT_EQ(FirstGraphemeBytes("e\u0301x"), 3U);
  EXPECT_EQ(FirstGraphemeBytes("\r\nx"), 2U);
  EXPECT_EQ(FirstGraphemeBytes("a\u0897x"), 4U) << "a mark of Unicode 16";
  EXPECT_EQ(FirstGraphemeBytes("\n\u0301"), 1U);
}

}  // namespace
}  // namespace pivot::tokenizer

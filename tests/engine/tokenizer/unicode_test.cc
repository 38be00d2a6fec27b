// SPDX-License-Identifier: Apache-2.0
#include "engine/model/tokenizer/unicode.h"

#include <string>

#include "engine/model/tokenizer/byte_level.h"
#include "engine/model/tokenizer/nfc.h"
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
  const auto result = ToNfc(text);
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
  EXPECT_TRUE(IsPlainlyNfc("plain é ¿ſ\u02FF"));
  EXPECT_FALSE(IsPlainlyNfc("e\u0301"));
  EXPECT_EQ(Nfc("plain é ¿ſ\u02FF"), "plain é ¿ſ\u02FF");
}

}  // namespace
}  // namespace pivot::tokenizer

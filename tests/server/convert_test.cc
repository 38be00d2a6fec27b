// SPDX-License-Identifier: Apache-2.0
#include "server/convert.h"

#include "gtest/gtest.h"

namespace pivot {
namespace {

TEST(ConvertTest, KeepsMicroseconds) {
  const auto stamp = ToTimestamp(1700000000123456);
  EXPECT_EQ(stamp.seconds(), 1700000000);
  EXPECT_EQ(stamp.nanos(), 123456000);
}

TEST(ConvertTest, NamesStates) {
  EXPECT_EQ(StateText(v1::STATE_QUEUED), "QUEUED");
  EXPECT_EQ(StateText(static_cast<v1::State>(99)), "UNSPECIFIED");
}

TEST(ConvertTest, LeavesValidTextAlone) {
  const std::string text = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\n";
  EXPECT_EQ(Utf8Tail(text, 100), text);
}

TEST(ConvertTest, ReplacesInvalidBytes) {
  EXPECT_EQ(Utf8Tail("a\xFF"
                     "b",
                     100),
            "a?b");
  EXPECT_EQ(Utf8Tail("\xC0\x80", 100), "??");            // overlong
  EXPECT_EQ(Utf8Tail("\xED\xA0\x80", 100), "???");       // surrogate
  EXPECT_EQ(Utf8Tail("\xF4\x90\x80\x80", 100), "????");  // beyond U+10FFFF
  EXPECT_EQ(Utf8Tail("\xE2\x82", 100), "??");            // cut at the end
  EXPECT_EQ(Utf8Tail(absl::string_view("\0x", 2), 100), "?x");
}

TEST(ConvertTest, CutsTailsAndHeadsBetweenCharacters) {
  const std::string text = "\xC3\xA4\xC3\xB6\xC3\xBC";
  EXPECT_EQ(Utf8Tail(text, 3), "\xC3\xBC");
  EXPECT_EQ(Utf8Head(text, 3), "\xC3\xA4");
  EXPECT_EQ(Utf8Head(text, 6), text);
  EXPECT_EQ(Utf8Head(text, 0), "");
}

}  // namespace
}  // namespace pivot

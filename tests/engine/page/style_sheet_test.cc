// SPDX-License-Identifier: Apache-2.0
#include "engine/page/style_sheet.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/page/markup.h"

namespace pivot::page {
namespace {

TEST(StyleSheetTest, NeedsNoEscaping) { EXPECT_EQ(Markup(StyleSheet()).source(), StyleSheet()); }

TEST(StyleSheetTest, HasAColourForEveryNumberOfBits) {
  for (const int bits : {2, 3, 4, 5, 6, 7, 8, 16})
    EXPECT_TRUE(absl::StrContains(StyleSheet(), absl::StrCat(".b", bits, "{--c:"))) << bits;
}

TEST(StyleSheetTest, FetchesNothing) {
  EXPECT_FALSE(absl::StrContains(StyleSheet(), "url("));
  EXPECT_FALSE(absl::StrContains(StyleSheet(), "@import"));
}

}  // namespace
}  // namespace pivot::page

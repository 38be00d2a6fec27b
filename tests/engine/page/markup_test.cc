// SPDX-License-Identifier: Apache-2.0
#include "engine/page/markup.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/page/svg.h"
#include "tests/engine/page/page_elements.h"

namespace pivot::page {
namespace {

TEST(MarkupTest, EscapesTextAndValues) {
  EXPECT_EQ(Markup("<script>\"a\" & 'b'</script>\n").source(),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;?");
  EXPECT_EQ(Element("p", {{"title", "\"><script>"}}, "<i>").source(),
            "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;i&gt;</p>");
}

TEST(MarkupTest, ClosesElements) {
  EXPECT_EQ(Element("ul", {}, Element("li", {{"class", "a"}}, "1") + Element("li", {{"class", ""}}, "2")).source(),
            "<ul><li class=\"a\">1</li><li>2</li></ul>");
  EXPECT_EQ(Element("meta", {{"charset", "utf-8"}}).source(), "<meta charset=\"utf-8\"/>");
}

TEST(MarkupTest, ShortensBetweenCodePoints) {
  EXPECT_EQ(Shortened("abcdef", 6), "abcdef");
  EXPECT_EQ(Shortened("abcdef", 3), "abc…");
  EXPECT_EQ(Shortened("aäb", 2), "a…") << "the second byte is in the middle of a letter";
}

TEST(SvgTest, WritesCoordinatesShortly) {
  EXPECT_EQ(Coordinate(12), "12");
  EXPECT_EQ(Coordinate(12.5), "12.5");
  EXPECT_EQ(Coordinate(-0.001), "0");
  EXPECT_EQ(Coordinate(1.0 / 3), "0.33");
  EXPECT_EQ(Coordinate(std::numeric_limits<double>::infinity()), "0");
}

/// The checker that other tests rely on finds what it is for.
TEST(PageElementsTest, FindsFaults) {
  EXPECT_EQ(TakeApart("<!DOCTYPE html>\n<p a=\"b\">c&amp;d<br/></p>\n").fault, "");
  for (const char* page : {"<p>", "</p>", "<p><b></p></b>", "<p a=b></p>", "<p>&nbsp;</p>", "<p>a > b</p>",
                           "<p a=\"1\" a=\"2\"></p>", "<p a=\"<\"></p>", "text", "<p"}) {
    EXPECT_NE(TakeApart(page).fault, "") << page;
  }
}

}  // namespace
}  // namespace pivot::page

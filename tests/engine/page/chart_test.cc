// SPDX-License-Identifier: Apache-2.0
#include "engine/page/chart.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/page/bars.h"
#include "engine/page/figures.h"
#include "tests/engine/page/page_elements.h"

namespace pivot::page {
namespace {

using ::testing::Contains;
using ::testing::Not;

Chart TwoSeries() {
  return {.title = "a <chart>",
          .x = {.name = "x", .scale = Scale::kLinear, .write = PlainText},
          .y = {.name = "y", .scale = Scale::kLogarithmic, .write = PlainText},
          .series = {{.name = "a",
                      .style = "s0",
                      .joined = Joined::kYes,
                      .points = {{0, 1, "first", ""}, {1, 10, "second", "here"}}},
                     {.name = "b",
                      .style = "s1",
                      .joined = Joined::kNo,
                      .points = {{0, std::nan(""), "no number", ""}, {1, 5, "third", ""}}}}};
}

TEST(ChartTest, DrawsPointsThatAreNumbers) {
  const PageElements drawn = TakeApart(DrawChart(TwoSeries()).source());
  EXPECT_EQ(drawn.fault, "");
  EXPECT_EQ(drawn.Count("circle"), 3U);
  EXPECT_EQ(drawn.Count("polyline"), 1U) << "points of the second series are not joined";
  EXPECT_THAT(drawn.Texts("title"), Not(Contains("no number")));
  EXPECT_THAT(drawn.Texts("text"), Contains("here"));
  EXPECT_EQ(drawn.Count("li"), 2U) << "of the legend";
}

TEST(ChartTest, NeedsNoLegendForOneSeries) {
  Chart chart = TwoSeries();
  chart.series.pop_back();
  EXPECT_EQ(TakeApart(DrawChart(chart).source()).Count("li"), 0U);
}

TEST(ChartTest, GivesBothAxesTheSameEndsWhereThereIsADiagonal) {
  Chart chart = TwoSeries();
  chart.x.scale = Scale::kLogarithmic;
  chart.series = {{.name = "a", .style = "s0", .joined = Joined::kNo, .points = {{0.1, 10, "", ""}}}};
  chart.with_diagonal = true;
  const PageElements drawn = TakeApart(DrawChart(chart).source());
  ASSERT_EQ(drawn.Count("line", "diagonal"), 1U);
  for (const PageElement& element : drawn.elements) {
    if (!element.HasClass("diagonal")) continue;
    EXPECT_NE(element.attributes.at("x1"), element.attributes.at("x2"));
    EXPECT_NE(element.attributes.at("y1"), element.attributes.at("y2"));
  }
}

TEST(BarsTest, AreAsLongAsTheirAmounts) {
  const Markup bar = DrawBar("a bar", {{.look = {"s0", "one"}, .amount = 30},
                                       {.look = {"s1", "two"}, .amount = 10},
                                       {.look = {"s2", "none"}, .amount = -5}});
  const PageElements drawn = TakeApart(bar.source());
  ASSERT_EQ(drawn.Count("rect"), 3U);
  std::vector<std::string> widths;
  for (const PageElement& element : drawn.elements) {
    if (element.tag == "rect") widths.push_back(element.attributes.at("width"));
  }
  EXPECT_THAT(widths, ::testing::ElementsAre("749", "249", "1"));
}

}  // namespace
}  // namespace pivot::page

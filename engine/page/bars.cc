// SPDX-License-Identifier: Apache-2.0
#include "engine/page/bars.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

#include "engine/page/axis.h"

namespace pivot::page {
namespace {

constexpr double kBarHeight = 34;
constexpr double kChartHeight = 200;
constexpr double kLeft = 74;
constexpr double kTop = 26;
constexpr double kBottom = 40;
constexpr double kWidestColumn = 40;
constexpr double kLabelDistance = 34;

double Amount(const BarPart& part) { return std::isfinite(part.amount) ? std::max(0.0, part.amount) : 0.0; }

double Total(const std::vector<BarPart>& parts) {
  double total = 0;
  for (const BarPart& part : parts) total += Amount(part);
  return total;
}

Markup AmountTicks(const BarChart& chart, const Axis& axis) {
  Markup shapes = Label({4, 14}, "axis", chart.amount_title);
  for (const double tick : axis.Ticks()) {
    const double y = axis.At(tick);
    shapes += Segment({kLeft, y}, {kPageWidth, y}, "grid");
    shapes += Label({kLeft - 8, y + 4}, "tick end", chart.write(tick));
  }
  return shapes;
}

Markup DrawColumn(const BarColumn& column, double left, double width, const Axis& axis) {
  Markup shapes;
  double below = 0;
  for (const BarPart& part : column.parts) {
    const double bottom = axis.At(below);
    below += Amount(part);
    const double top = axis.At(below);
    shapes += Rectangle({left, top, width, bottom - top}, {absl::StrCat("cell ", part.look.style), part.look.title});
  }
  return shapes;
}

}  // namespace

Markup DrawBar(const std::string& title, const std::vector<BarPart>& parts) {
  const double total = Total(parts);
  Markup shapes;
  double left = 0;
  for (const BarPart& part : parts) {
    const double width = total > 0 ? Amount(part) / total * kPageWidth : 0;
    // A sliver stays visible.
    shapes += Rectangle({left, 0, std::max(1.0, width - 1), kBarHeight},
                        {absl::StrCat("cell ", part.look.style), part.look.title});
    left += width;
  }
  return Element("div", {{"class", "wide"}}, Drawing(kPageWidth, kBarHeight, title, shapes));
}

Markup DrawBarChart(const BarChart& chart) {
  std::vector<double> totals;
  for (const BarColumn& column : chart.columns) totals.push_back(Total(column.parts));
  Axis axis(Scale::kFromZero, totals);
  axis.Place(kChartHeight - kBottom, kTop);
  Markup shapes = AmountTicks(chart, axis);
  const double pitch =
      std::min(kWidestColumn, (kPageWidth - kLeft) / static_cast<double>(std::max<size_t>(1, chart.columns.size())));
  const auto stride = std::max<size_t>(1, static_cast<size_t>(std::ceil(kLabelDistance / pitch)));
  for (size_t i = 0; i < chart.columns.size(); ++i) {
    const double left = kLeft + pitch * static_cast<double>(i);
    shapes += DrawColumn(chart.columns[i], left, pitch * 0.85, axis);
    if (i % stride == 0) {
      shapes += Label({left + pitch * 0.42, kChartHeight - kBottom + 16}, "tick middle", chart.columns[i].name);
    }
  }
  shapes += Label({kLeft + pitch * static_cast<double>(chart.columns.size()) / 2, kChartHeight - 6}, "axis middle",
                  chart.column_title);
  return Element("div", {{"class", "wide"}}, Drawing(kPageWidth, kChartHeight, chart.title, shapes));
}

}  // namespace pivot::page

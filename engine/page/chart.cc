// SPDX-License-Identifier: Apache-2.0
#include "engine/page/chart.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

#include "engine/page/heat_map.h"

namespace pivot::page {
namespace {

constexpr double kLeft = 74;
constexpr double kRight = 16;
constexpr double kTop = 26;
constexpr double kBottom = 42;
constexpr double kTickDistance = 56;

std::vector<double> Values(const Chart& chart, double ChartPoint::* coordinate) {
  std::vector<double> values;
  for (const Series& series : chart.series) {
    for (const ChartPoint& point : series.points) {
      values.push_back(point.*coordinate);
      if (chart.with_diagonal)
        values.push_back(point.*(coordinate == &ChartPoint::x ? &ChartPoint::y : &ChartPoint::x));
    }
  }
  return values;
}

class Drawer {
 public:
  explicit Drawer(const Chart& chart)
      : chart_(chart),
        x_(chart.x.scale, Values(chart, &ChartPoint::x)),
        y_(chart.y.scale, Values(chart, &ChartPoint::y)) {
    x_.Place(kLeft, chart.width - kRight);
    y_.Place(chart.height - kBottom, kTop);
  }

  Markup Draw() const {
    Markup shapes = HorizontalTicks() + VerticalTicks();
    if (chart_.with_diagonal) shapes += Segment(At(x_.low(), x_.low()), At(x_.high(), x_.high()), "diagonal");
    for (const Series& series : chart_.series) shapes += Line(series);
    for (const Series& series : chart_.series) shapes += Dots(series);
    return Element("div", {{"class", "wide"}}, Drawing(chart_.width, chart_.height, chart_.title, shapes));
  }

 private:
  Point At(double x, double y) const { return {x_.At(x), y_.At(y)}; }

  Markup HorizontalTicks() const {
    Markup shapes = Label({(kLeft + chart_.width - kRight) / 2, chart_.height - 6}, "axis middle", chart_.x.name);
    double last = -kTickDistance;
    for (const double tick : x_.Ticks()) {
      const double x = x_.At(tick);
      shapes += Segment({x, kTop}, {x, chart_.height - kBottom}, "grid");
      if (x - last < kTickDistance) continue;
      last = x;
      // The last one would be cut off in the middle.
      const bool at_end = x > chart_.width - kRight - kTickDistance / 2;
      shapes += Label({at_end ? chart_.width - 2 : x, chart_.height - kBottom + 16},
                      at_end ? "tick end" : "tick middle", chart_.x.write(tick));
    }
    return shapes;
  }

  Markup VerticalTicks() const {
    Markup shapes = Label({4, 14}, "axis", chart_.y.name);
    for (const double tick : y_.Ticks()) {
      const double y = y_.At(tick);
      shapes += Segment({kLeft, y}, {chart_.width - kRight, y}, "grid");
      shapes += Label({kLeft - 8, y + 4}, "tick end", chart_.y.write(tick));
    }
    return shapes;
  }

  Markup Line(const Series& series) const {
    if (series.joined == Joined::kNo) return {};
    std::vector<Point> points;
    for (const ChartPoint& point : series.points) {
      if (std::isfinite(point.x) && std::isfinite(point.y)) points.push_back(At(point.x, point.y));
    }
    return points.size() < 2 ? Markup() : Polyline(points, absl::StrCat("line ", series.style));
  }

  Markup Dots(const Series& series) const {
    Markup shapes;
    const double radius = series.joined == Joined::kYes ? 2.5 : 4.5;
    for (const ChartPoint& point : series.points) {
      if (!std::isfinite(point.x) || !std::isfinite(point.y)) continue;
      const Point at = At(point.x, point.y);
      shapes += Dot(at, radius, {absl::StrCat("dot ", series.style), point.title});
      if (point.label.empty()) continue;
      const bool on_left = at.x > chart_.width * 0.75;
      const bool below = at.y < kTop + 14;
      shapes += Label({at.x + (on_left ? -8 : 8), at.y + (below ? 14 : -6)}, on_left ? "label end" : "label",
                      Shortened(point.label, 40));
    }
    return shapes;
  }

  const Chart& chart_;
  Axis x_;
  Axis y_;
};

}  // namespace

Markup DrawChart(const Chart& chart) {
  std::vector<LegendEntry> legend;
  for (const Series& series : chart.series) legend.push_back({series.style, Shortened(series.name, 60)});
  const Markup drawing = Drawer(chart).Draw();
  return Element("figure", {}, legend.size() > 1 ? drawing + DrawLegend(legend) : drawing);
}

std::string SeriesStyle(size_t number) { return absl::StrCat("s", number % kSeriesStyles); }

}  // namespace pivot::page

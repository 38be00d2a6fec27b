// SPDX-License-Identifier: Apache-2.0
#include "engine/page/svg.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pivot::page {
namespace {

Markup Title(const std::string& title) { return title.empty() ? Markup() : Element("title", {}, title); }

}  // namespace

std::string Coordinate(double value) {
  if (!std::isfinite(value)) return "0";
  std::string text = absl::StrFormat("%.2f", std::clamp(value, -1e6, 1e6));
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

Markup Rectangle(const Box& box, const Look& look) {
  return Element("rect",
                 {{"class", look.style},
                  {"x", Coordinate(box.left)},
                  {"y", Coordinate(box.top)},
                  {"width", Coordinate(std::max(0.0, box.width))},
                  {"height", Coordinate(std::max(0.0, box.height))}},
                 Title(look.title));
}

Markup Segment(const Point& from, const Point& to, absl::string_view style) {
  return Element("line", {{"class", std::string(style)},
                          {"x1", Coordinate(from.x)},
                          {"y1", Coordinate(from.y)},
                          {"x2", Coordinate(to.x)},
                          {"y2", Coordinate(to.y)}});
}

Markup Polyline(const std::vector<Point>& points, absl::string_view style) {
  std::string text;
  for (const Point& point : points) {
    absl::StrAppend(&text, text.empty() ? "" : " ", Coordinate(point.x), ",", Coordinate(point.y));
  }
  return Element("polyline", {{"class", std::string(style)}, {"points", text}});
}

Markup Dot(const Point& center, double radius, const Look& look) {
  return Element(
      "circle",
      {{"class", look.style}, {"cx", Coordinate(center.x)}, {"cy", Coordinate(center.y)}, {"r", Coordinate(radius)}},
      Title(look.title));
}

Markup Label(const Point& at, absl::string_view style, absl::string_view text) {
  return Element("text", {{"class", std::string(style)}, {"x", Coordinate(at.x)}, {"y", Coordinate(at.y)}}, text);
}

Markup Drawing(double width, double height, absl::string_view title, const Markup& shapes) {
  return Element("svg",
                 {{"role", "img"},
                  {"aria-label", std::string(title)},
                  {"width", Coordinate(width)},
                  {"height", Coordinate(height)},
                  {"viewBox", absl::StrCat("0 0 ", Coordinate(width), " ", Coordinate(height))}},
                 shapes);
}

}  // namespace pivot::page

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PAGE_SVG_H_
#define PIVOT_ENGINE_PAGE_SVG_H_

// Shapes of inline SVG. Colours are those of the style sheet's classes; lengths are CSS pixels from the upper left.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "engine/page/markup.h"

namespace pivot::page {

/// Of the widest drawing that the page has room for.
inline constexpr double kPageWidth = 1000;

struct Point {
  double x = 0;
  double y = 0;
};

struct Box {
  double left = 0;
  double top = 0;
  double width = 0;
  double height = 0;
};

/// What a browser shows when the pointer rests on a shape, and what a screen reader says.
struct Look {
  std::string style;
  std::string title;
};

/// "12.5": two decimals at most; "0" of what is not finite.
std::string Coordinate(double value);

Markup Rectangle(const Box& box, const Look& look);
Markup Segment(const Point& from, const Point& to, absl::string_view style);
Markup Polyline(const std::vector<Point>& points, absl::string_view style);
Markup Dot(const Point& center, double radius, const Look& look);

/// The point is the baseline's left end.
Markup Label(const Point& at, absl::string_view style, absl::string_view text);

/// The whole drawing, as wide as it is drawn and no wider than its place. `title` says what it shows.
Markup Drawing(double width, double height, absl::string_view title, const Markup& shapes);

}  // namespace pivot::page

#endif  // PIVOT_ENGINE_PAGE_SVG_H_

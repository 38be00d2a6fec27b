// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PAGE_CHART_H_
#define PIVOT_ENGINE_PAGE_CHART_H_

// Lines and points over two axes.

#include <string>
#include <vector>

#include "engine/page/axis.h"
#include "engine/page/markup.h"
#include "engine/page/svg.h"

namespace pivot::page {

struct ChartPoint {
  double x = 0;
  double y = 0;
  std::string title;
  std::string label;  // written beside it
};

enum class Joined { kNo, kYes };

struct Series {
  std::string name;
  std::string style;
  Joined joined = Joined::kYes;
  std::vector<ChartPoint> points;
};

struct ChartAxis {
  std::string name;
  Scale scale = Scale::kLinear;
  std::string (*write)(double value);
};

struct Chart {
  std::string title;
  ChartAxis x;
  ChartAxis y;
  std::vector<Series> series;
  double width = kPageWidth;
  double height = 300;
  bool with_diagonal = false;  // where both values are equal; the axes are then alike
};

/// The drawing, and a legend below it when there is more than one series. Points that are not finite are left out.
Markup DrawChart(const Chart& chart);

/// The style of the series of this number.
std::string SeriesStyle(size_t number);
inline constexpr size_t kSeriesStyles = 8;

}  // namespace pivot::page

#endif  // PIVOT_ENGINE_PAGE_CHART_H_

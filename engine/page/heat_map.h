// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PAGE_HEAT_MAP_H_
#define PIVOT_ENGINE_PAGE_HEAT_MAP_H_

// A row for each kind of layer, a column for each block, a colour for each pair.

#include <string>
#include <vector>

#include "engine/page/markup.h"
#include "engine/page/svg.h"

namespace pivot::page {

struct HeatCell {
  Look look;
  std::string mark;  // at most two characters, shown where columns are wide enough
};

struct HeatRow {
  std::string name;
  std::vector<HeatCell> cells;  // one a column
};

struct HeatMap {
  std::string title;
  std::string column_title;
  std::vector<std::string> columns;
  std::vector<HeatRow> rows;
};

Markup DrawHeatMap(const HeatMap& map);

struct LegendEntry {
  std::string style;
  std::string name;
};

/// Colours and what they mean, in one line that wraps. Nothing without entries.
Markup DrawLegend(const std::vector<LegendEntry>& entries);

}  // namespace pivot::page

#endif  // PIVOT_ENGINE_PAGE_HEAT_MAP_H_

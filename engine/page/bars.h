// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PAGE_BARS_H_
#define PIVOT_ENGINE_PAGE_BARS_H_

// Amounts as lengths, one after the other.

#include <string>
#include <vector>

#include "engine/page/markup.h"
#include "engine/page/svg.h"

namespace pivot::page {

struct BarPart {
  Look look;
  double amount = 0;  // negative ones, and those that are not finite, count as none
};

/// One bar that is as long as its parts together.
Markup DrawBar(const std::string& title, const std::vector<BarPart>& parts);

struct BarColumn {
  std::string name;
  std::vector<BarPart> parts;  // from the bottom up
};

struct BarChart {
  std::string title;
  std::string column_title;
  std::string amount_title;
  std::string (*write)(double amount);
  std::vector<BarColumn> columns;
};

Markup DrawBarChart(const BarChart& chart);

}  // namespace pivot::page

#endif  // PIVOT_ENGINE_PAGE_BARS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PAGE_FIGURES_H_
#define PIVOT_ENGINE_PAGE_FIGURES_H_

// Numbers of a report as texts and cells; any double may come, since a report may be anyone's.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "engine/page/markup.h"

namespace pivot::page {

std::string BytesText(double bytes);
std::string SecondsText(double seconds);
std::string CountText(double count);
std::string PlainText(double value);    // four significant digits
std::string DecimalText(double value);  // three decimals
std::string ShareText(double fraction);

/// "4 bits", "4.25 bits", "kept (16 bits)".
std::string BitsText(double bits);

/// "group size 64", "a scale for each row".
std::string GroupText(double group_size);

using Write = std::string (*)(double value);

/// The text, "" of nothing.
std::string TextOr(const std::optional<double>& value, Write write);

/// <th> of a column, of figures unless it is the first.
Markup HeadRow(const std::vector<std::string>& names);
Markup TextCell(absl::string_view text);
Markup FigureCell(absl::string_view text);
Markup Row(const Markup& cells);
Markup TableOf(const Markup& head, const Markup& rows);

/// What several values have: "4", or "2 to 8".
struct Range {
  double least = 0;
  double most = 0;
  double sum = 0;
  size_t count = 0;

  void Add(const std::optional<double>& value) {
    if (!value.has_value()) return;
    least = count == 0 ? *value : std::min(least, *value);
    most = count == 0 ? *value : std::max(most, *value);
    sum += *value;
    ++count;
  }
  double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
  std::string Text(Write write) const;
};

}  // namespace pivot::page

#endif  // PIVOT_ENGINE_PAGE_FIGURES_H_

// SPDX-License-Identifier: Apache-2.0
#include "engine/page/figures.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"

#include "engine/page/layer_grid.h"
#include "proto/text/quantity.h"

namespace pivot::page {
namespace {

int64_t Whole(double value) {
  constexpr double kLargest = 9e18;
  return std::isfinite(value) ? std::llround(std::clamp(value, -kLargest, kLargest)) : 0;
}

}  // namespace

std::string BytesText(double bytes) { return std::isfinite(bytes) ? FormatBytes(Whole(bytes)) : "-"; }

std::string SecondsText(double seconds) { return FormatSeconds(std::min(seconds, 1e15)); }

std::string CountText(double count) { return std::isfinite(count) ? FormatCount(Whole(count)) : "-"; }

std::string PlainText(double value) { return FormatSmall(value); }

std::string DecimalText(double value) { return std::abs(value) < 1e6 ? FormatNumber(value, 3) : FormatSmall(value); }

std::string ShareText(double fraction) { return std::abs(fraction) < 1e6 ? FormatShare(fraction) : "-"; }

std::string BitsText(double bits) {
  const std::string text = absl::StrCat(FormatSmall(bits), bits == 1 ? " bit" : " bits");
  return bits >= kKeptBits ? absl::StrCat("kept (", text, ")") : text;
}

std::string GroupText(double group_size) {
  return group_size == 0 ? "a scale for each row" : absl::StrCat("group size ", CountText(group_size));
}

std::string TextOr(const std::optional<double>& value, Write write) { return value.has_value() ? write(*value) : ""; }

Markup HeadRow(const std::vector<std::string>& names) {
  Markup cells;
  for (size_t i = 0; i < names.size(); ++i) {
    cells += Element("th", {{"scope", "col"}, {"class", i == 0 ? "" : "figure"}}, names[i]);
  }
  return Element("tr", {}, cells);
}

Markup TextCell(absl::string_view text) { return Element("td", {}, text); }

Markup FigureCell(absl::string_view text) { return Element("td", {{"class", "figure"}}, text); }

Markup Row(const Markup& cells) { return Element("tr", {}, cells); }

Markup TableOf(const Markup& head, const Markup& rows) {
  return Element("div", {{"class", "wide"}},
                 Element("table", {}, Element("thead", {}, head) + Element("tbody", {}, rows)));
}

std::string Range::Text(Write write) const {
  if (count == 0) return "";
  const std::string low = write(least);
  const std::string high = write(most);
  return low == high ? low : absl::StrCat(low, " to ", high);
}

}  // namespace pivot::page

// SPDX-License-Identifier: Apache-2.0
#include "client/view/table.h"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"

#include "client/view/units.h"

namespace pivot::client {

void Table::AddRow(std::vector<std::string> cells) {
  assert(cells.size() <= columns_.size());
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::Render() const {
  std::vector<std::string> headings;
  for (const Column& column : columns_) headings.push_back(column.heading);
  std::vector<std::vector<std::string>> lines = rows_;
  const bool has_heading =
      std::any_of(headings.begin(), headings.end(), [](const auto& text) { return !text.empty(); });
  if (has_heading) lines.insert(lines.begin(), headings);

  std::vector<size_t> widths(columns_.size(), 0);
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(line[i]));
  }
  std::string text;
  for (const auto& line : lines) {
    std::string rendered;
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string space(widths[i] - DisplayWidth(line[i]), ' ');
      const bool is_right = columns_[i].align == Align::kRight;
      absl::StrAppend(&rendered, i == 0 ? "" : "  ", is_right ? space : "", line[i], is_right ? "" : space);
    }
    rendered.erase(rendered.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, rendered, "\n");
  }
  return text;
}

}  // namespace pivot::client

// SPDX-License-Identifier: Apache-2.0
#include "absl/strings/str_cat.h"

#include "engine/page/figures.h"
#include "engine/page/sections.h"

namespace pivot::page {
namespace {

constexpr size_t kMostRows = 5000;
constexpr size_t kLongestName = 160;

std::string GroupColumn(double group_size) { return group_size == 0 ? "row" : CountText(group_size); }

std::string NameOf(const PageInput& input, size_t kind, size_t column) {
  const std::vector<size_t>& cell = input.grid.cells[kind][column];
  if (cell.size() == 1) return Shortened(input.layers[cell.front()].name, kLongestName);
  return absl::StrCat("block ", input.grid.columns[column], ", ", Shortened(input.grid.kinds[kind], kLongestName), " (",
                      CountText(static_cast<double>(cell.size())), " layers)");
}

Markup RowOf(const PageInput& input, size_t kind, size_t column) {
  Range bits, groups, bytes, error, output, damping, dead, tokens;
  for (const size_t i : input.grid.cells[kind][column]) {
    const Layer& layer = input.layers[i];
    bits.Add(layer.bits);
    groups.Add(layer.group_size);
    bytes.Add(layer.bytes);
    error.Add(layer.relative_error);
    output.Add(layer.output_error);
    damping.Add(layer.damping);
    dead.Add(layer.dead_columns);
    tokens.Add(layer.tokens);
  }
  return Row(TextCell(NameOf(input, kind, column)) + FigureCell(bits.Text(PlainText)) +
             FigureCell(groups.Text(GroupColumn)) + FigureCell(bytes.count == 0 ? "" : BytesText(bytes.sum)) +
             FigureCell(error.Text(PlainText)) + FigureCell(output.Text(PlainText)) +
             FigureCell(damping.Text(PlainText)) + FigureCell(dead.Text(CountText)) +
             FigureCell(tokens.Text(CountText)));
}

}  // namespace

Markup LayerSection(const PageInput& input) {
  Markup rows;
  size_t count = 0;
  size_t left_out = 0;
  for (size_t column = 0; column < input.grid.columns.size(); ++column) {
    for (size_t kind = 0; kind < input.grid.kinds.size(); ++kind) {
      if (input.grid.cells[kind][column].empty()) continue;
      if (count < kMostRows) {
        rows += RowOf(input, kind, column);
        ++count;
      } else {
        ++left_out;
      }
    }
  }
  if (count == 0) return {};
  const Markup head = HeadRow(
      {"layer", "bits", "group size", "size", "relative error", "output error", "damping", "dead columns", "tokens"});
  Markup content = TableOf(head, rows);
  if (left_out > 0) content += Note(absl::StrCat(left_out, " more in report.json"));
  return Section("Layers",
                 Element("details", {},
                         Element("summary", {},
                                 absl::StrCat("All ", CountText(static_cast<double>(input.layers.size())), " layers")) +
                             content));
}

}  // namespace pivot::page

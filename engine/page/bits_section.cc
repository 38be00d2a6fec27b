// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"

#include "engine/page/figures.h"
#include "engine/page/heat_map.h"
#include "engine/page/sections.h"

namespace pivot::page {
namespace {

constexpr int kFewestBits = 2;
constexpr int kMostBits = 8;
constexpr int kKept = static_cast<int>(kKeptBits);
constexpr size_t kLongestName = 160;

/// The colour's number: 2 to 8, or 16 of what is as good as kept.
int ColourOf(double bits) {
  if (bits > (kMostBits + kKept) / 2.0) return kKept;
  return static_cast<int>(std::lround(std::clamp<double>(bits, kFewestBits, kMostBits)));
}

struct CellFacts {
  Range bits;
  Range group_size;
  Range bytes;
};

CellFacts FactsOf(const PageInput& input, const std::vector<size_t>& cell) {
  CellFacts facts;
  for (const size_t i : cell) {
    facts.bits.Add(input.layers[i].bits);
    facts.group_size.Add(input.layers[i].group_size);
    facts.bytes.Add(input.layers[i].bytes);
  }
  return facts;
}

std::string TitleOf(const PageInput& input, const std::vector<size_t>& cell, const CellFacts& facts,
                    const std::string& place) {
  if (cell.empty()) return absl::StrCat(place, ": not quantized, or there is no such layer");
  const Layer& first = input.layers[cell.front()];
  std::string title = cell.size() == 1
                          ? Shortened(first.name, kLongestName)
                          : absl::StrCat(place, ": ", CountText(static_cast<double>(cell.size())), " layers");
  absl::StrAppend(&title, cell.size() == 1 ? ": " : ", ", facts.bits.count == 0 ? "?" : facts.bits.Text(BitsText));
  if (!first.type.empty() && first.type != "int") absl::StrAppend(&title, " ", Shortened(first.type, 20));
  if (facts.group_size.count > 0) absl::StrAppend(&title, ", ", facts.group_size.Text(GroupText));
  if (facts.bytes.count > 0) absl::StrAppend(&title, ", ", BytesText(facts.bytes.sum));
  return title;
}

HeatCell CellOf(const PageInput& input, size_t kind, size_t column) {
  const std::vector<size_t>& cell = input.grid.cells[kind][column];
  const CellFacts facts = FactsOf(input, cell);
  const std::string place =
      absl::StrCat("block ", input.grid.columns[column], ", ", Shortened(input.grid.kinds[kind], kLongestName));
  const std::string title = TitleOf(input, cell, facts, place);
  if (facts.bits.count == 0) return {.look = {.style = "none", .title = title}, .mark = ""};
  const int colour = ColourOf(facts.bits.mean());
  return {.look = {.style = absl::StrCat("b", colour), .title = title}, .mark = absl::StrCat(colour)};
}

/// "4 bits: 180 layers, 53.2 MB" for each number of bits that the model has.
std::vector<LegendEntry> LegendOf(const PageInput& input) {
  std::map<int, Range> bytes_by_colour;
  std::map<int, size_t> layers_by_colour;
  for (const Layer& layer : input.layers) {
    if (!layer.bits.has_value()) continue;
    const int colour = ColourOf(*layer.bits);
    ++layers_by_colour[colour];
    bytes_by_colour[colour].Add(layer.bytes);
  }
  std::vector<LegendEntry> legend;
  for (const auto& [colour, count] : layers_by_colour) {
    std::string name =
        absl::StrCat(BitsText(colour), ": ", CountText(static_cast<double>(count)), count == 1 ? " layer" : " layers");
    const Range& bytes = bytes_by_colour[colour];
    if (bytes.count > 0) absl::StrAppend(&name, ", ", BytesText(bytes.sum));
    legend.push_back({absl::StrCat("b", colour), name});
  }
  return legend;
}

}  // namespace

Markup BitsSection(const PageInput& input) {
  if (input.layers.empty()) return {};
  HeatMap map{.title = "Bits of each layer, by kind and block",
              .column_title = "block",
              .columns = input.grid.columns,
              .rows = {}};
  bool has_empty = false;
  for (size_t kind = 0; kind < input.grid.kinds.size(); ++kind) {
    HeatRow row{.name = input.grid.kinds[kind], .cells = {}};
    for (size_t column = 0; column < input.grid.columns.size(); ++column) {
      row.cells.push_back(CellOf(input, kind, column));
      has_empty = has_empty || row.cells.back().mark.empty();
    }
    map.rows.push_back(std::move(row));
  }
  std::vector<LegendEntry> legend = LegendOf(input);
  if (has_empty) legend.push_back({"none", "not quantized, or no such layer"});
  return Section("Bits", Element("figure", {}, DrawHeatMap(map) + DrawLegend(legend)));
}

}  // namespace pivot::page

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "engine/page/chart.h"
#include "engine/page/figures.h"
#include "engine/page/heat_map.h"
#include "engine/page/sections.h"
#include "proto/text/json_facts.h"

namespace pivot::page {
namespace {

using nlohmann::json;

constexpr size_t kShades = 7;
constexpr size_t kMostBlocks = 512;
constexpr size_t kLongestName = 160;

/// Errors of a cell's layers. Rounded experts' are in other units.
Range ErrorsOf(const PageInput& input, const std::vector<size_t>& cell) {
  Range errors;
  for (const size_t i : cell) {
    if (input.layers[i].fallback != "rtn") errors.Add(input.layers[i].relative_error);
  }
  return errors;
}

using ErrorGrid = std::vector<std::vector<Range>>;

ErrorGrid ErrorsOf(const PageInput& input) {
  ErrorGrid errors;
  for (const auto& row : input.grid.cells) {
    errors.emplace_back();
    for (const std::vector<size_t>& cell : row) errors.back().push_back(ErrorsOf(input, cell));
  }
  return errors;
}

std::string TitleOf(const PageInput& input, size_t kind, size_t column, const Range& errors) {
  const std::vector<size_t>& cell = input.grid.cells[kind][column];
  const std::string name = cell.size() == 1
                               ? input.layers[cell.front()].name
                               : absl::StrCat("block ", input.grid.columns[column], ", ", input.grid.kinds[kind]);
  if (errors.count == 0) return absl::StrCat(Shortened(name, kLongestName), ": no error is known");
  std::string title = absl::StrCat(Shortened(name, kLongestName), ": relative error ", PlainText(errors.mean()));
  if (errors.count > 1)
    absl::StrAppend(&title, " on average of ", errors.count, " layers, ", PlainText(errors.least), " to ",
                    PlainText(errors.most));
  return title;
}

/// Shades are even in the logarithm between the smallest and the largest mean.
class Shading {
 public:
  explicit Shading(const ErrorGrid& errors) {
    Range means;
    for (const auto& row : errors) {
      for (const Range& cell : row) {
        if (cell.count > 0 && cell.mean() > 0 && std::isfinite(cell.mean())) means.Add(cell.mean());
      }
    }
    if (means.count == 0) return;
    least_ = means.least;
    ratio_ = std::max(means.most / means.least, 1 + 1e-9);
  }

  std::string StyleOf(double error) const {
    if (!(error > 0) || !std::isfinite(error)) return "e0";
    const double share = std::clamp(std::log(error / least_) / std::log(ratio_), 0.0, 1.0);
    return absl::StrCat("e", std::min(kShades - 1, static_cast<size_t>(share * kShades)));
  }

  std::vector<LegendEntry> Legend() const {
    std::vector<LegendEntry> legend;
    for (size_t i = 0; i < kShades; ++i) {
      legend.push_back({absl::StrCat("e", i), absl::StrCat(absl::StrFormat("%.2g", BoundOf(i)), " to ",
                                                           absl::StrFormat("%.2g", BoundOf(i + 1)))});
    }
    return legend;
  }

 private:
  double BoundOf(size_t shade) const {
    return least_ * std::pow(ratio_, static_cast<double>(shade) / static_cast<double>(kShades));
  }

  double least_ = 1e-3;
  double ratio_ = 10;
};

Markup ErrorMap(const PageInput& input, const ErrorGrid& errors) {
  const Shading shading(errors);
  HeatMap map{.title = "Relative error of each layer, by kind and block",
              .column_title = "block",
              .columns = input.grid.columns,
              .rows = {}};
  for (size_t kind = 0; kind < errors.size(); ++kind) {
    HeatRow row{.name = input.grid.kinds[kind], .cells = {}};
    for (size_t column = 0; column < errors[kind].size(); ++column) {
      const Range& cell = errors[kind][column];
      row.cells.push_back({.look = {.style = cell.count == 0 ? "none" : shading.StyleOf(cell.mean()),
                                    .title = TitleOf(input, kind, column, cell)},
                           .mark = ""});
    }
    map.rows.push_back(std::move(row));
  }
  return Element("figure", {}, DrawHeatMap(map) + DrawLegend(shading.Legend()));
}

/// The kinds with the largest errors, as many as there are colours, in the grid's order.
std::vector<size_t> KindsToDraw(const ErrorGrid& errors) {
  std::vector<double> means(errors.size(), 0);
  for (size_t kind = 0; kind < errors.size(); ++kind) {
    Range all;
    for (const Range& cell : errors[kind]) {
      if (cell.count > 0) all.Add(cell.mean());
    }
    means[kind] = all.mean();
  }
  std::vector<size_t> kinds(errors.size());
  std::iota(kinds.begin(), kinds.end(), size_t{0});
  std::erase_if(kinds, [&means](size_t kind) { return !(means[kind] > 0); });
  std::stable_sort(kinds.begin(), kinds.end(), [&means](size_t a, size_t b) { return means[a] > means[b]; });
  kinds.resize(std::min(kinds.size(), kSeriesStyles));
  std::sort(kinds.begin(), kinds.end());
  return kinds;
}

/// A number of each block's record.
Series BlockSeries(const PageInput& input, const char* key, const std::string& name) {
  Series series{.name = name, .style = "whole", .joined = Joined::kYes, .points = {}};
  for (const json& block : ListAt(input.report, "blocks")) {
    const auto number = NumberAt(block, "block");
    const auto value = NumberAt(block, key);
    if (!number.has_value() || !value.has_value() || series.points.size() >= kMostBlocks) continue;
    series.points.push_back({.x = *number,
                             .y = *value,
                             .title = absl::StrCat("block ", CountText(*number), ": ", name, " ", PlainText(*value)),
                             .label = ""});
  }
  return series;
}

Series KindSeries(const PageInput& input, const ErrorGrid& errors, size_t kind, size_t number) {
  Series series{.name = input.grid.kinds[kind], .style = SeriesStyle(number), .joined = Joined::kYes, .points = {}};
  for (size_t column = 0; column < errors[kind].size(); ++column) {
    const Range& cell = errors[kind][column];
    double block = 0;
    // Of several blocks in a column the first; what is in no block has no place here.
    const std::string& name = input.grid.columns[column];
    if (cell.count == 0 || !(cell.mean() > 0) || !absl::SimpleAtod(name.substr(0, name.find('-')), &block)) continue;
    series.points.push_back({.x = block, .y = cell.mean(), .title = TitleOf(input, kind, column, cell), .label = ""});
  }
  return series;
}

Markup ErrorLines(const PageInput& input, const ErrorGrid& errors) {
  Chart chart{.title = "Relative error by block",
              .x = {.name = "block", .scale = Scale::kLinear, .write = CountText},
              .y = {.name = "relative error", .scale = Scale::kLogarithmic, .write = PlainText}};
  const std::vector<size_t> kinds = KindsToDraw(errors);
  for (size_t i = 0; i < kinds.size(); ++i) chart.series.push_back(KindSeries(input, errors, kinds[i], i));
  Series blocks = BlockSeries(input, "relative_error", "whole block");
  std::erase_if(blocks.points, [](const ChartPoint& point) { return !(point.y > 0); });
  if (!blocks.points.empty()) chart.series.push_back(std::move(blocks));
  return chart.series.empty() ? Markup() : DrawChart(chart);
}

Markup StreamDistances(const PageInput& input) {
  Series distances = BlockSeries(input, "stream_distance", "distance");
  // Without both streams every distance is zero.
  std::erase_if(distances.points, [](const ChartPoint& point) { return !(point.y > 0); });
  if (distances.points.empty()) return {};
  const Chart chart{.title = "Distance of the residual streams after each block",
                    .x = {.name = "block", .scale = Scale::kLinear, .write = CountText},
                    .y = {.name = "distance", .scale = Scale::kFromZero, .write = PlainText},
                    .series = {std::move(distances)},
                    .height = 200};
  return Element("h3", {}, "Residual stream") +
         Note(
             "Squared distance of the quantized model's residual stream from the original's after each block, as a "
             "share of it.") +
         DrawChart(chart);
}

}  // namespace

Markup ErrorSection(const PageInput& input) {
  const ErrorGrid errors = ErrorsOf(input);
  Markup content;
  const bool is_known = std::any_of(errors.begin(), errors.end(), [](const auto& row) {
    return std::any_of(row.begin(), row.end(), [](const Range& cell) { return cell.count > 0; });
  });
  if (is_known) {
    const bool is_rounded = TextAt(ObjectAt(input.plan, "spec"), "method") == "rtn";
    content +=
        Note(is_rounded ? "The squared error of a layer's weights, as a share of their squares."
                        : "The squared error of a layer's output on calibration data, as a share of the output.");
    content += ErrorMap(input, errors) + ErrorLines(input, errors);
  }
  return Section("Error by layer", content + StreamDistances(input));
}

}  // namespace pivot::page

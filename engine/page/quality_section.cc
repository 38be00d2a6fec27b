// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

#include "engine/page/chart.h"
#include "engine/page/figures.h"
#include "engine/page/sections.h"
#include "proto/text/json_facts.h"

namespace pivot::page {
namespace {

using nlohmann::json;

constexpr size_t kMostPoints = 500;
constexpr double kChartWidth = 490;
/// Beyond this ratio of largest to smallest a linear axis hides the small ones.
constexpr double kLinearRatio = 20;

struct Measured {
  std::string name;
  const json* quality;
};

std::vector<Measured> MeasuredOf(const json& report) {
  const json& quality = ObjectAt(report, "quality");
  std::vector<Measured> measured;
  const json& original = ObjectAt(quality, "original");
  if (!original.empty()) measured.push_back({"original", &original});
  for (const json& pivot : ListAt(quality, "pivots")) {
    const std::string number = CountAt(pivot, "number");
    if (measured.size() < kMostPoints)
      measured.push_back({number.empty() ? "pivot" : absl::StrCat("pivot ", number), &pivot});
  }
  return measured;
}

Markup QualityTable(const std::vector<Measured>& measured) {
  Markup rows;
  for (const auto& [name, quality] : measured) {
    const auto cell = [&object = *quality](const char* key, Write write) {
      return FigureCell(TextOr(NumberAt(object, key), write));
    };
    rows += Row(Element("th", {{"scope", "row"}}, name) + cell("bytes", BytesText) +
                cell("bits_per_weight", PlainText) + cell("perplexity", DecimalText) + cell("kl_mean", PlainText) +
                cell("kl_p99", PlainText) + cell("top1_agreement", ShareText));
  }
  const Markup head =
      HeadRow({"", "size", "bits per weight", "perplexity", "KL, mean", "KL, 99th percentile", "top-1 agreement"});
  return TableOf(head, rows);
}

/// A series for the original and one for the pivots; `original_value` where the original's goes without saying.
std::vector<Series> MeasuredSeries(const std::vector<Measured>& measured, const char* key,
                                   std::optional<double> original_value, Write write) {
  Series original{.name = "original", .style = "s7", .joined = Joined::kNo, .points = {}};
  Series pivots{.name = "measured", .style = "s1", .joined = Joined::kNo, .points = {}};
  for (const auto& [name, quality] : measured) {
    const bool is_original = name == "original";
    const auto bytes = NumberAt(*quality, "bytes");
    auto value = NumberAt(*quality, key);
    if (is_original && original_value.has_value()) value = original_value;
    if (!bytes.has_value() || !value.has_value()) continue;
    (is_original ? original : pivots)
        .points.push_back({.x = *bytes,
                           .y = *value,
                           .title = absl::StrCat(name, ": ", BytesText(*bytes), ", ", write(*value)),
                           .label = name});
  }
  std::vector<Series> series;
  if (pivots.points.empty()) return series;
  if (!original.points.empty()) series.push_back(std::move(original));
  series.push_back(std::move(pivots));
  return series;
}

/// The curve of one kind of entry: "uniform" or "plan".
Series Estimated(const json& allocation, const std::string& kind, const std::string& name, const std::string& style) {
  Series series{.name = name, .style = style, .joined = Joined::kYes, .points = {}};
  for (const json& entry : ListAt(allocation, "curve")) {
    const auto bytes = NumberAt(entry, "bytes");
    const auto kl = NumberAt(entry, "estimated_kl");
    if (TextAt(entry, "kind") != kind || !bytes.has_value() || !kl.has_value()) continue;
    if (series.points.size() >= kMostPoints) break;
    const std::string bits = TextOr(NumberAt(entry, "bits"), PlainText);
    series.points.push_back(
        {.x = *bytes,
         .y = *kl,
         .title = absl::StrCat(name, ", ", bits, " bits: ", BytesText(*bytes), ", estimated KL ", PlainText(*kl)),
         .label = kind == "uniform" ? bits : ""});
  }
  std::sort(series.points.begin(), series.points.end(),
            [](const ChartPoint& a, const ChartPoint& b) { return a.x < b.x; });
  return series;
}

Scale ScaleOf(const std::vector<Series>& all) {
  Range values;
  for (const Series& series : all) {
    for (const ChartPoint& point : series.points) {
      if (point.y > 0) values.Add(point.y);
    }
  }
  return values.count > 1 && values.most > kLinearRatio * values.least ? Scale::kLogarithmic : Scale::kFromZero;
}

Markup KlChart(const json& report, const std::vector<Measured>& measured) {
  const json& allocation = ObjectAt(report, "allocation");
  std::vector<Series> series = MeasuredSeries(measured, "kl_mean", 0.0, PlainText);
  for (Series& curve : std::vector<Series>{Estimated(allocation, "uniform", "equal bits, estimated", "s0"),
                                           Estimated(allocation, "plan", "mixed bits, estimated", "s2")}) {
    if (!curve.points.empty()) series.push_back(std::move(curve));
  }
  if (series.empty()) return {};
  const Scale scale = ScaleOf(series);
  return DrawChart({.title = "KL divergence from the original against size",
                    .x = {.name = "size", .scale = Scale::kFromZero, .write = BytesText},
                    .y = {.name = "KL from the original, nats", .scale = scale, .write = PlainText},
                    .series = std::move(series),
                    .width = kChartWidth});
}

Markup PerplexityChart(const std::vector<Measured>& measured) {
  std::vector<Series> series = MeasuredSeries(measured, "perplexity", std::nullopt, DecimalText);
  if (series.empty()) return {};
  const bool is_wide = ScaleOf(series) == Scale::kLogarithmic;
  return DrawChart(
      {.title = "Perplexity against size",
       .x = {.name = "size", .scale = Scale::kFromZero, .write = BytesText},
       .y = {.name = "perplexity", .scale = is_wide ? Scale::kLogarithmic : Scale::kLinear, .write = PlainText},
       .series = std::move(series),
       .width = kChartWidth});
}

}  // namespace

Markup QualitySection(const PageInput& input) {
  const std::vector<Measured> measured = MeasuredOf(input.report);
  if (measured.empty()) return {};
  const Markup charts = KlChart(input.report, measured) + PerplexityChart(measured);
  Markup content = QualityTable(measured);
  content += charts.empty() ? Note("Quality was not evaluated.") : Element("div", {{"class", "pair"}}, charts);
  return Section("Quality against size", content);
}

Markup AllocationSection(const PageInput& input) {
  const json& allocation = ObjectAt(input.report, "allocation");
  Series probes{.name = "probes", .style = "s0", .joined = Joined::kNo, .points = {}};
  for (const json& probe : ListAt(allocation, "probes")) {
    const auto estimated = NumberAt(probe, "estimated");
    const auto measured = NumberAt(probe, "measured");
    if (!estimated.has_value() || !measured.has_value() || !(*estimated > 0) || !(*measured > 0)) continue;
    if (probes.points.size() >= kMostPoints) break;
    const std::string name = Shortened(TextAt(probe, "name"), 80);
    probes.points.push_back(
        {.x = *estimated,
         .y = *measured,
         .title = absl::StrCat(name, ": estimated ", PlainText(*estimated), ", measured ", PlainText(*measured)),
         .label = ""});
  }
  if (probes.points.empty()) return {};
  std::string note = absl::StrCat(
      probes.points.size(), " models whose KL was estimated and then measured; on the dashed line both are equal.");
  const auto correlation = NumberAt(allocation, "rank_correlation");
  if (correlation.has_value()) absl::StrAppend(&note, " Rank correlation: ", DecimalText(*correlation), ".");
  const Markup chart = DrawChart({.title = "Estimated against measured KL",
                                  .x = {.name = "estimated KL", .scale = Scale::kLogarithmic, .write = PlainText},
                                  .y = {.name = "measured KL", .scale = Scale::kLogarithmic, .write = PlainText},
                                  .series = {std::move(probes)},
                                  .width = kChartWidth,
                                  .height = 380,
                                  .with_diagonal = true});
  return Section("How far the estimates hold", Note(note) + chart);
}

}  // namespace pivot::page

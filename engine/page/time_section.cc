// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "absl/strings/str_cat.h"

#include "engine/page/bars.h"
#include "engine/page/chart.h"
#include "engine/page/figures.h"
#include "engine/page/heat_map.h"
#include "engine/page/sections.h"
#include "proto/text/json_facts.h"

namespace pivot::page {
namespace {

using nlohmann::json;

constexpr size_t kMostStages = 32;
constexpr size_t kMostBlocks = 512;
constexpr char kSolveStyle[] = "s0";
constexpr char kRestStyle[] = "s5";

std::string DescribeStage(const json& stage, double seconds) {
  std::string text = absl::StrCat(Shortened(TextAt(stage, "name"), 40), ": ", SecondsText(seconds));
  const double flops = NumberAt(stage, "flops").value_or(0);
  if (flops > 0 && seconds > 0)
    absl::StrAppend(&text, ", ", PlainText(flops / 1e12), " TFLOP at ", PlainText(flops / seconds / 1e12), " TFLOP/s");
  return text;
}

Markup Stages(const json& report) {
  std::vector<BarPart> parts;
  std::vector<LegendEntry> legend;
  double known = 0;
  for (const json& stage : ListAt(report, "stages")) {
    const auto seconds = NumberAt(stage, "seconds");
    if (!seconds.has_value() || parts.size() >= kMostStages) continue;
    const Look look{.style = SeriesStyle(parts.size()), .title = DescribeStage(stage, *seconds)};
    legend.push_back({look.style, look.title});
    parts.push_back({.look = look, .amount = *seconds});
    known += *seconds;
  }
  if (parts.empty()) return {};
  const double rest = NumberAt(report, "seconds").value_or(known) - known;
  if (rest > 0.005 * known) {
    const Look look{.style = "s7", .title = absl::StrCat("everything else: ", SecondsText(rest))};
    legend.push_back({look.style, look.title});
    parts.push_back({.look = look, .amount = rest});
  }
  return Element("figure", {}, DrawBar("Seconds by stage", parts) + DrawLegend(legend));
}

Markup Blocks(const json& report) {
  BarChart chart{.title = "Seconds by block",
                 .column_title = "block",
                 .amount_title = "time",
                 .write = SecondsText,
                 .columns = {}};
  for (const json& block : ListAt(report, "blocks")) {
    const auto number = NumberAt(block, "block");
    const auto seconds = NumberAt(block, "seconds");
    if (!number.has_value() || !seconds.has_value() || chart.columns.size() >= kMostBlocks) continue;
    const double solve = std::clamp(NumberAt(block, "solve_seconds").value_or(0), 0.0, std::max(0.0, *seconds));
    std::string title = absl::StrCat("block ", CountText(*number), ": ", SecondsText(*seconds));
    const std::string writing = TextOr(NumberAt(block, "write_seconds"), SecondsText);
    if (!writing.empty()) absl::StrAppend(&title, ", and written behind the next one in ", writing);
    chart.columns.push_back(
        {.name = CountText(*number),
         .parts = {{.look = {.style = kSolveStyle, .title = absl::StrCat(title, "; solved in ", SecondsText(solve))},
                    .amount = solve},
                   {.look = {.style = kRestStyle, .title = title}, .amount = *seconds - solve}}});
  }
  if (chart.columns.empty()) return {};
  return Element("h3", {}, "Blocks") +
         Element("figure", {},
                 DrawBarChart(chart) + DrawLegend({{kSolveStyle, "solving for codes"},
                                                   {kRestStyle, "forward passes, statistics, packing"}}));
}

}  // namespace

Markup TimeSection(const PageInput& input) { return Section("Time line", Stages(input.report) + Blocks(input.report)); }

}  // namespace pivot::page

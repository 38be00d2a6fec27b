// SPDX-License-Identifier: Apache-2.0
#include "engine/page/report_page.h"

#include "absl/strings/str_cat.h"

#include "engine/page/sections.h"
#include "engine/page/style_sheet.h"

namespace pivot {
namespace page {
namespace {

Markup Head(const PageInput& input) {
  return Element("head", {},
                 Element("meta", {{"charset", "utf-8"}}) +
                     // Nothing is fetched and nothing runs, whatever got into the page.
                     Element("meta", {{"http-equiv", "Content-Security-Policy"},
                                      {"content", "default-src 'none'; style-src 'unsafe-inline'"}}) +
                     Element("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}}) +
                     Element("title", {}, absl::StrCat(ModelName(input), ": Pivot's report")) +
                     Element("style", {}, StyleSheet()));
}

Markup Body(const PageInput& input) {
  return Element("body", {},
                 SummarySection(input) + WarningSection(input) + BitsSection(input) + ErrorSection(input) +
                     QualitySection(input) + AllocationSection(input) + TimeSection(input) + LayerSection(input) +
                     Element("footer", {}, "Made by Pivot from pivot/report.json and pivot/plan.json."));
}

}  // namespace

Markup Section(absl::string_view heading, const Markup& content) {
  return content.empty() ? content : Element("section", {}, Element("h2", {}, heading) + content);
}

Markup Note(absl::string_view text) { return Element("p", {{"class", "note"}}, text); }

}  // namespace page

std::string ReportPage(const nlohmann::json& report, const nlohmann::json& plan) {
  page::PageInput input{.report = report, .plan = plan, .layers = page::ReadLayers(report, plan), .grid = {}};
  input.grid = page::ArrangeLayers(input.layers);
  return absl::StrCat("<!DOCTYPE html>\n",
                      page::Element("html", {{"lang", "en"}}, page::Head(input) + page::Body(input)).source(), "\n");
}

}  // namespace pivot

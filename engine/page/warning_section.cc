// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <map>

#include "absl/strings/str_cat.h"

#include "engine/page/figures.h"
#include "engine/page/sections.h"
#include "proto/text/json_facts.h"

namespace pivot::page {
namespace {

using nlohmann::json;

constexpr size_t kMostNames = 200;
constexpr size_t kMostWarnings = 50;
constexpr size_t kLongestName = 160;

std::string Layers(size_t count, absl::string_view singular, absl::string_view plural) {
  return absl::StrCat(CountText(static_cast<double>(count)), " ", count == 1 ? singular : plural);
}

/// What happened, and folded below it to which layers.
Markup Finding(absl::string_view sentence, const std::vector<const Layer*>& layers,
               const std::function<std::string(const Layer&)>& describe) {
  Markup items;
  for (size_t i = 0; i < std::min(layers.size(), kMostNames); ++i) {
    items += Element("li", {}, absl::StrCat(Shortened(layers[i]->name, kLongestName), ": ", describe(*layers[i])));
  }
  if (layers.size() > kMostNames)
    items += Element("li", {}, absl::StrCat(layers.size() - kMostNames, " more in report.json"));
  return Element("li", {}, Element("details", {}, Element("summary", {}, sentence) + Element("ul", {}, items)));
}

std::vector<const Layer*> Those(const PageInput& input, const std::function<bool(const Layer&)>& concerned) {
  std::vector<const Layer*> layers;
  for (const Layer& layer : input.layers) {
    if (concerned(layer)) layers.push_back(&layer);
  }
  return layers;
}

Markup RaisedDamping(const PageInput& input) {
  const auto asked = NumberAt(ObjectAt(input.plan, "spec"), "percdamp");
  if (!asked.has_value()) return {};
  const auto layers =
      Those(input, [asked](const Layer& layer) { return layer.damping.value_or(0) > *asked * (1 + 1e-9); });
  if (layers.empty()) return {};
  const std::string sentence =
      absl::StrCat(Layers(layers.size(), "layer was", "layers were"), " damped more than asked for (",
                   PlainText(*asked), "): their Hessians could not be factorized otherwise.");
  return Finding(sentence, layers,
                 [](const Layer& layer) { return absl::StrCat("damping ", PlainText(*layer.damping)); });
}

Markup DeadColumns(const PageInput& input) {
  const auto layers = Those(input, [](const Layer& layer) { return layer.dead_columns.value_or(0) > 0; });
  if (layers.empty()) return {};
  return Finding(absl::StrCat(Layers(layers.size(), "layer has", "layers have"),
                              " inputs that were zero in all of the calibration data."),
                 layers,
                 [](const Layer& layer) { return absl::StrCat(CountText(*layer.dead_columns), " dead columns"); });
}

Markup StarvedExperts(const PageInput& input) {
  const auto layers =
      Those(input, [](const Layer& layer) { return !layer.fallback.empty() && layer.fallback != "none"; });
  if (layers.empty()) return {};
  std::map<std::string, size_t> counts;
  for (const Layer* layer : layers) ++counts[Shortened(layer->fallback, 40)];
  std::string by_kind;
  for (const auto& [fallback, count] : counts)
    absl::StrAppend(&by_kind, by_kind.empty() ? "" : ", ", count, " ", fallback);
  const std::string sentence = absl::StrCat(Layers(layers.size(), "layer of an expert", "layers of experts"),
                                            " had too few calibration tokens of ", layers.size() == 1 ? "its" : "their",
                                            " own (", Shortened(by_kind, 200), ").");
  return Finding(sentence, layers, [](const Layer& layer) {
    const std::string tokens = TextOr(layer.tokens, CountText);
    return absl::StrCat(layer.fallback, tokens.empty() ? "" : absl::StrCat(", ", tokens, " tokens"));
  });
}

/// What the report says in words, as texts or as objects with a reason and a message.
Markup SaidByReport(const json& report) {
  Markup items;
  size_t count = 0;
  for (const json& warning : ListAt(report, "warnings")) {
    std::string text = TextOf(warning);
    if (text.empty()) text = TextAt(warning, "message");
    if (text.empty() || count++ >= kMostWarnings) continue;
    items += Element("li", {}, Shortened(text, 1000));
  }
  return items;
}

}  // namespace

Markup WarningSection(const PageInput& input) {
  const Markup items = SaidByReport(input.report) + RaisedDamping(input) + StarvedExperts(input) + DeadColumns(input);
  return Section("Warnings", items.empty() ? items : Element("ul", {{"class", "warnings"}}, items));
}

}  // namespace pivot::page

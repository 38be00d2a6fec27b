// SPDX-License-Identifier: Apache-2.0
#include "client/view/report_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/view/table.h"
#include "client/view/units.h"
#include "proto/text/json_facts.h"

namespace pivot::client {
namespace {

using nlohmann::json;

constexpr size_t kWorstLayers = 10;

std::string SmallAt(const json& object, const char* key) {
  const auto value = NumberAt(object, key);
  return value.has_value() ? FormatSmall(*value) : "";
}

std::string FixedAt(const json& object, const char* key, int decimals) {
  const auto value = NumberAt(object, key);
  return value.has_value() ? FormatNumber(*value, decimals) : "";
}

std::string BytesAt(const json& object, const char* key) {
  const auto value = NumberAt(object, key);
  return value.has_value() ? FormatBytes(static_cast<int64_t>(*value)) : "";
}

std::string SecondsAt(const json& object, const char* key) {
  const auto value = NumberAt(object, key);
  return value.has_value() ? FormatSeconds(*value) : "";
}

/// Columns that share a scale; 0 in a report is a whole row.
std::string GroupSizeAt(const json& object) {
  const std::string size = CountAt(object, "group_size");
  return size == "0" ? "row" : size;
}

/// "7 of 10 read of 12; dropped: 2 too_short, 1 html"; nothing for a text of one document.
std::string DocumentsOf(const json& calibration) {
  const json& documents = ObjectAt(calibration, "documents");
  const double total = NumberAt(documents, "total").value_or(0);
  if (total < 2) return "";
  std::string text = absl::StrCat(CountAt(documents, "kept"), " of ", CountAt(documents, "read"), " read of ",
                                  CountAt(documents, "total"));
  const json& dropped = ObjectAt(documents, "dropped");
  absl::string_view before = "; dropped: ";
  for (const json* rules : {&dropped, &ObjectAt(dropped, "quality")}) {
    for (const auto& rule : rules->items()) {
      if (!rule.value().is_number() || NumberAt(*rules, rule.key().c_str()).value_or(0) == 0) continue;
      absl::StrAppend(&text, before, CountAt(*rules, rule.key().c_str()), " ", rule.key());
      before = ", ";
    }
  }
  return text;
}

/// "4,096 (4,000 distinct)": windows may overlap.
std::string TokensOf(const json& calibration) {
  const std::string used = CountAt(calibration, "tokens_used");
  const std::string distinct = CountAt(calibration, "distinct_tokens");
  return used.empty() || distinct.empty() ? used : absl::StrCat(used, " (", distinct, " distinct)");
}

std::string RenderFacts(const json& report) {
  Table table({{""}, {""}});
  const auto add = [&table](const char* name, const std::string& value) {
    if (!value.empty()) table.AddRow({name, value});
  };
  const json& plan = ObjectAt(report, "plan");
  const json& numerics = ObjectAt(report, "numerics");
  add("job", TextAt(report, "job"));
  add("source", TextAt(ObjectAt(report, "source"), "name"));
  add("bits", CountAt(plan, "bits"));
  add("group size", GroupSizeAt(plan));
  add("calibration", TextAt(ObjectAt(report, "calibration"), "name"));
  add("calibration tokens", TokensOf(ObjectAt(report, "calibration")));
  add("calibration strategy", TextAt(ObjectAt(report, "calibration"), "strategy"));
  add("calibration documents", DocumentsOf(ObjectAt(report, "calibration")));
  add("evaluation", TextAt(ObjectAt(report, "evaluation"), "name"));
  add("device", TextAt(numerics, "device_name"));
  add("threads", CountAt(numerics, "threads"));
  add("arithmetic", TextAt(numerics, "dtype"));
  add("peak memory, host", BytesAt(numerics, "peak_host_bytes"));
  if (NumberAt(numerics, "peak_gpu_bytes").value_or(0) > 0)
    add("peak memory, GPU", BytesAt(numerics, "peak_gpu_bytes"));
  add("time", SecondsAt(report, "seconds"));
  return table.Render();
}

void AddQualityRow(const std::string& subject, const json& quality, Table* table) {
  const auto agreement = NumberAt(quality, "top1_agreement");
  table->AddRow({subject, BytesAt(quality, "bytes"), FixedAt(quality, "bits_per_weight", 2),
                 FixedAt(quality, "perplexity", 3), SmallAt(quality, "kl_mean"),
                 agreement.has_value() ? FormatShare(*agreement) : ""});
}

std::string RenderQuality(const json& report) {
  const json& quality = ObjectAt(report, "quality");
  Table table({{"quality"},
               {"size", Align::kRight},
               {"bits per weight", Align::kRight},
               {"perplexity", Align::kRight},
               {"KL mean", Align::kRight},
               {"top-1", Align::kRight}});
  const json& original = ObjectAt(quality, "original");
  if (!original.empty()) AddQualityRow("original", original, &table);
  for (const json& entry : ListAt(quality, "pivots")) {
    const std::string number = CountAt(entry, "number");
    AddQualityRow(number.empty() ? "pivot" : absl::StrCat("pivot ", number), entry, &table);
  }
  return table.Render();
}

std::string RenderStages(const json& report) {
  Table table({{"stage"}, {"time", Align::kRight}, {"TFLOP", Align::kRight}});
  for (const json& stage : ListAt(report, "stages")) {
    const double flops = NumberAt(stage, "flops").value_or(0);
    table.AddRow({TextAt(stage, "name"), SecondsAt(stage, "seconds"), flops > 0 ? FormatNumber(flops / 1e12, 2) : ""});
  }
  return table.Render();
}

std::string RenderBlocks(const json& report) {
  Table table({{"block", Align::kRight}, {"time", Align::kRight}, {"relative error", Align::kRight}});
  for (const json& block : ListAt(report, "blocks")) {
    table.AddRow({CountAt(block, "block"), SecondsAt(block, "seconds"), SmallAt(block, "relative_error")});
  }
  return table.Render();
}

std::string DampingOf(const json& layer) {
  const std::string damp = SmallAt(layer, "damp");
  return damp.empty() ? SmallAt(layer, "percdamp") : damp;
}

std::string RenderLayers(const json& report, Detail detail) {
  std::vector<std::pair<double, const json*>> layers;
  for (const json& block : ListAt(report, "blocks")) {
    for (const json& layer : ListAt(block, "linears")) {
      layers.emplace_back(NumberAt(layer, "relative_error").value_or(0), &layer);
    }
  }
  if (detail == Detail::kNormal) {
    std::stable_sort(layers.begin(), layers.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    layers.resize(std::min(layers.size(), kWorstLayers));
  }
  Table table({{detail == Detail::kAll ? "layer" : "layers with the largest error"},
               {"bits", Align::kRight},
               {"group size", Align::kRight},
               {"relative error", Align::kRight},
               {"damping", Align::kRight},
               {"dead columns", Align::kRight}});
  for (const auto& [error, layer] : layers) {
    table.AddRow({TextAt(*layer, "name"), CountAt(*layer, "bits"), GroupSizeAt(*layer),
                  SmallAt(*layer, "relative_error"), DampingOf(*layer), CountAt(*layer, "dead_columns")});
  }
  return layers.empty() ? "" : table.Render();
}

}  // namespace

std::string RenderReport(const json& report, Detail detail) {
  std::string text = RenderFacts(report);
  if (!ObjectAt(report, "quality").empty()) absl::StrAppend(&text, "\n", RenderQuality(report));
  if (!ListAt(report, "stages").empty()) absl::StrAppend(&text, "\n", RenderStages(report));
  if (!ListAt(report, "blocks").empty()) absl::StrAppend(&text, "\n", RenderBlocks(report));
  const std::string layers = RenderLayers(report, detail);
  if (!layers.empty()) absl::StrAppend(&text, "\n", layers);
  return text;
}

}  // namespace pivot::client

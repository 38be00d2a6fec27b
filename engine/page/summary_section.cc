// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "engine/page/figures.h"
#include "engine/page/sections.h"
#include "proto/text/json_facts.h"

namespace pivot::page {
namespace {

using nlohmann::json;

constexpr size_t kLongestFact = 120;
constexpr size_t kDigestLetters = 16;

/// The newest pivot: that of this folder.
const json& PivotOf(const json& report) {
  static const json* const none = new json(json::object());
  const json& pivots = ListAt(ObjectAt(report, "quality"), "pivots");
  return pivots.empty() || !pivots.back().is_object() ? *none : pivots.back();
}

Markup Card(absl::string_view name, absl::string_view figure, absl::string_view detail) {
  if (figure.empty()) return {};
  return Element("div", {{"class", "card"}},
                 Element("div", {{"class", "what"}}, name) + Element("div", {{"class", "value"}}, figure) +
                     Element("div", {{"class", "detail"}}, detail));
}

std::string Change(const std::string& before, const std::string& after) {
  if (before.empty() || after.empty()) return after;
  return absl::StrCat(before, " → ", after);
}

Markup SizeCard(const json& report) {
  const auto before = NumberAt(ObjectAt(report, "source"), "bytes");
  auto after = NumberAt(PivotOf(report), "bytes");
  if (!after.has_value()) after = NumberAt(ObjectAt(report, "plan"), "total_bytes");
  std::string detail;
  if (before.has_value() && after.has_value() && *after > 0)
    detail = absl::StrFormat("%.3g times smaller", *before / *after);
  return Card("Size", Change(TextOr(before, BytesText), TextOr(after, BytesText)), detail);
}

Markup BitsCard(const json& report) {
  const json& plan = ObjectAt(report, "plan");
  const auto all = NumberAt(plan, "model_bits_per_weight");
  return Card("Bits per weight", TextOr(NumberAt(plan, "bits_per_weight"), PlainText),
              all.has_value() ? absl::StrCat(PlainText(*all), " with what is kept") : "");
}

Markup PerplexityCard(const json& report) {
  const auto before = NumberAt(ObjectAt(ObjectAt(report, "quality"), "original"), "perplexity");
  const auto after = NumberAt(PivotOf(report), "perplexity");
  std::string detail;
  if (before.has_value() && after.has_value() && *before > 0)
    detail = absl::StrFormat("%+.2f %%", (*after / *before - 1) * 100);
  return Card("Perplexity", Change(TextOr(before, DecimalText), TextOr(after, DecimalText)), detail);
}

Markup Cards(const json& report) {
  const json& pivot = PivotOf(report);
  const auto worst = NumberAt(pivot, "kl_p99");
  const auto windows = NumberAt(pivot, "predicted");
  return Element(
      "div", {{"class", "cards"}},
      SizeCard(report) + BitsCard(report) + PerplexityCard(report) +
          Card("KL from the original", TextOr(NumberAt(pivot, "kl_mean"), PlainText),
               worst.has_value() ? absl::StrCat("nats a token; ", PlainText(*worst), " at the 99th percentile")
                                 : "nats a token") +
          Card("Top-1 agreement", TextOr(NumberAt(pivot, "top1_agreement"), ShareText),
               windows.has_value() ? absl::StrCat("over ", CountText(*windows), " tokens") : ""));
}

class FactList {
 public:
  void Add(absl::string_view name, const std::string& value) {
    if (value.empty()) return;
    items_ += Element("div", {}, Element("dt", {}, name) + Element("dd", {}, Shortened(value, kLongestFact)));
  }
  Markup Release() const { return items_.empty() ? Markup() : Element("dl", {}, items_); }

 private:
  Markup items_;
};

std::string TextsOf(const json& texts, const char* count) {
  const std::string name = TextAt(texts, "name");
  const std::string tokens = CountAt(texts, count);
  return name.empty() || tokens.empty() ? name : absl::StrCat(name, ", ", tokens, " tokens");
}

Markup Facts(const PageInput& input) {
  const json& report = input.report;
  const json& spec = ObjectAt(input.plan, "spec");
  const json& numerics = ObjectAt(report, "numerics");
  FactList facts;
  facts.Add("Job", TextAt(report, "job"));
  facts.Add("Date", TextAt(report, "date"));
  facts.Add("Source digest", Shortened(TextAt(ObjectAt(report, "source"), "digest"), kDigestLetters));
  facts.Add("Method", TextAt(spec, "method"));
  facts.Add("Groups", TextOr(NumberAt(ObjectAt(report, "plan"), "group_size"), GroupText));
  facts.Add("Calibration", TextsOf(ObjectAt(report, "calibration"), "tokens_used"));
  facts.Add("Evaluation", TextsOf(ObjectAt(report, "evaluation"), "tokens"));
  facts.Add("Device", TextAt(numerics, "device_name"));
  facts.Add("Threads", CountAt(numerics, "threads"));
  facts.Add("Arithmetic", TextAt(numerics, "dtype"));
  facts.Add("Peak memory, host", TextOr(NumberAt(numerics, "peak_host_bytes"), BytesText));
  if (NumberAt(numerics, "peak_gpu_bytes").value_or(0) > 0)
    facts.Add("Peak memory, GPU", TextOr(NumberAt(numerics, "peak_gpu_bytes"), BytesText));
  facts.Add("Time", TextOr(NumberAt(report, "seconds"), SecondsText));
  facts.Add("KL, folder from memory", TextOr(NumberAt(report, "reload_kl"), PlainText));
  return facts.Release();
}

}  // namespace

std::string ModelName(const PageInput& input) {
  const std::string name = TextAt(ObjectAt(input.report, "source"), "name");
  return name.empty() ? "a compressed model" : Shortened(name, kLongestFact);
}

Markup SummarySection(const PageInput& input) {
  const std::string architecture = TextAt(input.plan, "architecture");
  std::string what = absl::StrCat(CountText(static_cast<double>(input.layers.size())), " quantized layers in ",
                                  CountText(static_cast<double>(input.grid.columns.size())), " blocks");
  if (!architecture.empty()) what = absl::StrCat(Shortened(architecture, kLongestFact), ", ", what);
  return Element("header", {},
                 Element("h1", {}, ModelName(input)) + Element("p", {{"class", "note"}}, what) + Cards(input.report) +
                     Facts(input));
}

}  // namespace pivot::page

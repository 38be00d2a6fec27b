// SPDX-License-Identifier: Apache-2.0
#include "client/view/summary.h"

#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/view/table.h"
#include "client/view/units.h"

namespace pivot::client {
namespace {

using nlohmann::json;

constexpr char kNothing[] = "-";

/// Bits of an original weight. The plan says bits per weight over all tensors of the compressed model only, and both
/// models have the same number of weights.
double OriginalBits(const CompressionSummary& summary) {
  const double bits = summary.checkpoint.model_bits_per_weight() * static_cast<double>(summary.source_bytes) /
                      static_cast<double>(summary.folders.front().bytes);
  // Headers of the files make it a little more or less than whole.
  return std::abs(bits - std::round(bits)) < 0.25 ? std::round(bits) : bits;
}

void AddQuality(const CompressionSummary& summary, Table* table) {
  const v1::Quality& after = summary.checkpoint.quality();
  const bool has_after = summary.checkpoint.has_quality();
  table->AddRow({"perplexity",
                 summary.original.has_value() ? FormatNumber(summary.original->perplexity(), 3) : kNothing,
                 has_after ? FormatNumber(after.perplexity(), 3) : kNothing});
  table->AddRow(
      {"KL(original || compressed), mean", "", after.has_kl_mean() ? FormatSmall(after.kl_mean()) : kNothing});
  table->AddRow({"top-1 agreement", "", after.has_top1_agreement() ? FormatShare(after.top1_agreement()) : kNothing});
}

}  // namespace

std::vector<WeightFolder> WeightFoldersOf(const ManifestData& manifest) {
  std::map<std::string, int64_t> bytes;
  for (const ManifestFile& file : manifest.files) {
    const std::string folder =
        file.path.substr(0, file.path.rfind('/') == std::string::npos ? 0 : file.path.rfind('/'));
    if (absl::EndsWith(file.path, ".safetensors") || absl::EndsWith(file.path, ".gguf")) bytes[folder] += file.size;
  }
  std::vector<WeightFolder> folders;
  for (const auto& [name, size] : bytes) folders.push_back({.name = name, .bytes = size});
  return folders;
}

std::string RenderSummary(const CompressionSummary& summary) {
  Table table({{""}, {"original", Align::kRight}, {"compressed", Align::kRight}});
  const bool knows_sizes = summary.source_bytes > 0 && !summary.folders.empty() && summary.folders.front().bytes > 0;
  const std::string bits = knows_sizes ? FormatNumber(OriginalBits(summary), 2) : kNothing;
  for (const WeightFolder& folder : summary.folders) {
    const bool is_first = &folder == &summary.folders.front();
    table.AddRow({folder.name.empty() ? "weight files" : absl::StrCat("weight files, ", folder.name),
                  is_first ? FormatBytes(summary.source_bytes) : "", FormatBytes(folder.bytes)});
  }
  table.AddRow({"bits per weight, quantized layers", bits, FormatNumber(summary.checkpoint.bits_per_weight(), 2)});
  table.AddRow({"bits per weight, whole model", bits, FormatNumber(summary.checkpoint.model_bits_per_weight(), 2)});
  if (summary.original.has_value() || summary.checkpoint.has_quality()) AddQuality(summary, &table);
  table.AddRow({"time", "", FormatSeconds(summary.checkpoint.seconds())});
  return absl::StrCat(table.Render(), "\n", summary.output, "\n");
}

json DoneJson(const v1::Job& job, const std::string& output) {
  json pivots = json::array();
  for (const v1::CheckpointRef& checkpoint : job.checkpoints()) {
    const v1::Quality& quality = checkpoint.quality();
    pivots.push_back({{"number", checkpoint.number()},
                      {"bytes", checkpoint.bytes()},
                      {"bits_per_weight", checkpoint.bits_per_weight()},
                      {"model_bits_per_weight", checkpoint.model_bits_per_weight()},
                      {"perplexity", checkpoint.has_quality() ? json(quality.perplexity()) : json()},
                      {"kl_mean", quality.has_kl_mean() ? json(quality.kl_mean()) : json()},
                      {"top1_agreement", quality.has_top1_agreement() ? json(quality.top1_agreement()) : json()},
                      {"seconds", checkpoint.seconds()}});
  }
  json done{{"event", "done"},
            {"job", job.name()},
            {"output", output.empty() ? json() : json(output)},
            {"pivots", std::move(pivots)}};
  const bool has_both =
      job.spec().compress().format() == v1::FORMAT_BOTH || job.spec().convert().format() == v1::FORMAT_BOTH;
  if (has_both) done["folders"] = {"compressed-tensors", "gptq"};
  return done;
}

}  // namespace pivot::client

// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "engine/checkpoint/staged_folder.h"
#include "engine/convert.h"
#include "engine/loadable.h"
#include "engine/tasks/tasks.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kConversionSchema = 1;
constexpr char kDirectory[] = "pivot-0";

/// pivot/conversion.json: where the folder comes from. Equal conversions have it equal.
std::string ConversionJson(const CheckpointFolder& source, CodeLayout layout) {
  const ordered_json document{{"schema", kConversionSchema},
                              {"source_digest", SourceDigest(source.model)},
                              {"format", std::string(FormatName(layout))}};
  return document.dump(1) + "\n";
}

}  // namespace

absl::StatusOr<json> RunConvertTask(const json& task, const TaskContext& context) {
  const auto start = std::chrono::steady_clock::now();
  PIVOT_ASSIGN_OR_RETURN(const ConversionSpec spec, ResolveConversion(task));
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder source, OpenCheckpoint(spec.source_path));
  PIVOT_ASSIGN_OR_RETURN(const Conversion conversion, PlanConversion(source, spec.layout, spec.shard_bytes));
  const std::string folder = context.staging_folder + "/" + kDirectory;
  PIVOT_RETURN_IF_ERROR(ConvertFolder(
      source, conversion, folder, {{"pivot/conversion.json", ConversionJson(source, spec.layout)}}, *context.hooks));
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder written, OpenCheckpoint(folder));
  if (spec.layout != CodeLayout::kPlainBf16) PIVOT_RETURN_IF_ERROR(CheckLoadable(written, *context.hooks));
  const StoredBits bits = CountBits(written);
  PIVOT_RETURN_IF_ERROR(WriteFileList(folder));
  PIVOT_RETURN_IF_ERROR(context.hooks->publish(
      {.number = 0,
       .directory = kDirectory,
       .bits_per_weight = bits.quantized,
       .model_bits_per_weight = bits.model,
       .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
       .source_name = source.model.name(),
       .source_digest = SourceDigest(source.model)}));
  return json();
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/staged_folder.h"
#include "engine/convert.h"
#include "engine/loadable.h"
#include "engine/tasks/tasks.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
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

/// Before any work: a disk that fills up on the way costs more.
absl::Status CheckDisk(const Conversion& conversion, const std::string& staging_folder) {
  const int64_t needed = conversion.weight_bytes();
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(staging_folder, error);
  if (error) return StatusFromErrno(error.value(), "cannot read", staging_folder);
  if (needed <= static_cast<int64_t>(space.available)) return absl::OkStatus();
  return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                        "the conversion needs ", needed, " bytes on the server's disk and ", space.available,
                        " are free; free some space, or choose an output on a larger disk")),
                    "DISK_FULL");
}

}  // namespace

absl::StatusOr<json> RunConvertTask(const json& task, const TaskContext& context) {
  const auto start = std::chrono::steady_clock::now();
  PIVOT_ASSIGN_OR_RETURN(const ConversionSpec spec, ResolveConversion(task));
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder source, OpenCheckpoint(spec.source_path));
  PIVOT_ASSIGN_OR_RETURN(const Conversion conversion, PlanConversion(source, spec.layout, spec.shard_bytes));
  PIVOT_RETURN_IF_ERROR(CheckDisk(conversion, context.staging_folder));
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

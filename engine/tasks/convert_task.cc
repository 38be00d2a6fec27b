// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

#include "engine/checkpoint/staged_folder.h"
#include "engine/convert/convert.h"
#include "engine/format/output_format.h"
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

/// pivot/conversion.json: where the output comes from. Equal conversions have it equal.
std::string ConversionJson(const CheckpointFolder& source, absl::Span<const CodeLayout> layouts) {
  const ordered_json document{{"schema", kConversionSchema},
                              {"source_digest", SourceDigest(source.model)},
                              {"format", std::string(OutputFormatName(layouts))}};
  return document.dump(1) + "\n";
}

/// Before any work: a disk that fills up on the way costs more.
absl::Status CheckDisk(const std::vector<Conversion>& conversions, const std::string& staging_folder) {
  int64_t needed = 0;
  for (const Conversion& conversion : conversions) needed += conversion.weight_bytes();
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(staging_folder, error);
  if (error) return StatusFromErrno(error.value(), "cannot read", staging_folder);
  if (needed <= static_cast<int64_t>(space.available)) return absl::OkStatus();
  return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                        "the conversion needs ", needed, " bytes on the server's disk and ", space.available,
                        " are free; free some space, or choose an output on a larger disk")),
                    "DISK_FULL");
}

/// One folder of the output, as others will read it.
absl::StatusOr<StoredBits> WriteFolder(const CheckpointFolder& source, const Conversion& conversion,
                                       const std::string& folder, const JobHooks& hooks) {
  PIVOT_RETURN_IF_ERROR(ConvertFolder(source, conversion, folder, hooks));
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder written, OpenCheckpoint(folder));
  if (written.quantization.has_value()) PIVOT_RETURN_IF_ERROR(CheckLoadable(written, hooks));
  return CountBits(written);
}

}  // namespace

absl::StatusOr<json> RunConvertTask(const json& task, const TaskContext& context) {
  const auto start = std::chrono::steady_clock::now();
  PIVOT_ASSIGN_OR_RETURN(const ConversionSpec spec, ResolveConversion(task));
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder source, OpenCheckpoint(spec.source_path));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<Conversion> conversions, PlanConversions(source, spec));
  PIVOT_RETURN_IF_ERROR(CheckDisk(conversions, context.staging_folder));
  const std::string output = context.staging_folder + "/" + kDirectory;
  PIVOT_RETURN_IF_ERROR(RemoveAll(output));
  std::vector<StoredBits> bits;
  for (const Conversion& conversion : conversions) {
    const std::string folder = FolderOf(output, conversion.form.layout, spec.layouts);
    PIVOT_ASSIGN_OR_RETURN(const StoredBits stored, WriteFolder(source, conversion, folder, *context.hooks));
    bits.push_back(stored);
  }
  PIVOT_RETURN_IF_ERROR(WriteTexts(output, {{"pivot/conversion.json", ConversionJson(source, spec.layouts)}}));
  PIVOT_RETURN_IF_ERROR(WriteFileList(output));
  PIVOT_RETURN_IF_ERROR(context.hooks->publish(
      {.number = 0,
       .directory = kDirectory,
       .bits_per_weight = bits.front().quantized,
       .model_bits_per_weight = bits.front().model,
       .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
       .source_name = source.model.name(),
       .source_digest = SourceDigest(source.model)}));
  return json();
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "engine/work_identity.h"

#include <filesystem>
#include <system_error>
#include <torch/headeronly/version.h>

#include "absl/strings/str_cat.h"

namespace pivot {
namespace {

/// Name, size and time of change of every weight file: tells that a source was replaced under a journal.
std::string SourceStat(const ModelFolder& source) {
  std::string stat;
  for (const std::filesystem::path path : source.weight_paths()) {
    std::error_code error;
    const auto time = std::filesystem::last_write_time(path, error).time_since_epoch().count();
    const auto bytes = static_cast<int64_t>(std::filesystem::file_size(path, error));
    absl::StrAppend(&stat, path.filename().string(), ":", bytes, ":", time, ";");
  }
  return stat;
}

}  // namespace

nlohmann::json WorkIdentity(const ModelFolder& source, const CompressSpec& spec, const std::string& calibration_sha256,
                            const ComputeDevice& device) {
  return {{"numerics", kNumericsVersion},
          {"source_digest", SourceDigest(source)},
          {"source_stat", SourceStat(source)},
          {"spec", CanonicalSpec(spec)},
          {"calibration", calibration_sha256},
          {"device_class", device.name},
          {"dtype", std::string(ComputeDtypeName(spec.dtype))},
          {"threads", device.threads},
          {"torch", TORCH_VERSION}};
}

}  // namespace pivot

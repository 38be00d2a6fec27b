// SPDX-License-Identifier: Apache-2.0
#include "server/process/environment.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "proto/files/durable_file.h"
#include "server/errors.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

constexpr char kTorchVariable[] = "PIVOT_TORCH_LIB";
constexpr size_t kMaxPathFileBytes = 65536;

bool IsPassedOn(absl::string_view entry) {
  if (absl::StartsWith(entry, "PIVOT_TOKEN=")) return false;
  for (const absl::string_view name : {"PATH=", "HOME=", "LANG=", "TZ=", "PIVOT_"}) {
    if (absl::StartsWith(entry, name)) return true;
  }
  return false;
}

/// `torch_lib` and every <torch_lib>/../../nvidia/*/lib.
std::string LibraryPath(const fs::path& torch_lib) {
  std::vector<std::string> nvidia;
  std::error_code error;
  for (fs::directory_iterator entry(torch_lib.parent_path().parent_path() / "nvidia", error), end;
       !error && entry != end; entry.increment(error)) {
    const fs::path lib = entry->path() / "lib";
    std::error_code ignored;
    if (fs::is_directory(lib, ignored)) nvidia.push_back(lib.string());
  }
  std::sort(nvidia.begin(), nvidia.end());
  nvidia.insert(nvidia.begin(), torch_lib.string());
  return absl::StrJoin(nvidia, ":");
}

std::string FirstLine(const std::string& path) {
  const auto content = ReadSmallFile(path, kMaxPathFileBytes);
  if (!content.ok()) return "";
  const std::vector<std::string> lines = absl::StrSplit(*content, absl::MaxSplits('\n', 1));
  return std::string(absl::StripAsciiWhitespace(lines[0]));
}

}  // namespace

std::vector<std::string> CurrentEnvironment() {
  std::vector<std::string> entries;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) entries.emplace_back(*entry);
  return entries;
}

std::optional<std::string> FindVariable(absl::Span<const std::string> environment, absl::string_view name) {
  for (const std::string& entry : environment) {
    if (absl::StartsWith(entry, absl::StrCat(name, "="))) return entry.substr(name.size() + 1);
  }
  return std::nullopt;
}

std::vector<std::string> CleanEnvironment(absl::Span<const std::string> environment) {
  std::vector<std::string> clean;
  std::copy_if(environment.begin(), environment.end(), std::back_inserter(clean), IsPassedOn);
  return clean;
}

std::vector<std::string> WorkerEnvironment(absl::Span<const std::string> environment, const std::string& library_path,
                                           const Device& device) {
  std::vector<std::string> entries = CleanEnvironment(environment);
  const std::optional<std::string> threads = FindVariable(environment, "OMP_NUM_THREADS");
  if (threads.has_value()) entries.push_back(absl::StrCat("OMP_NUM_THREADS=", *threads));
  entries.push_back(absl::StrCat("LD_LIBRARY_PATH=", library_path));
  entries.emplace_back("CUDA_DEVICE_ORDER=PCI_BUS_ID");
  entries.push_back(absl::StrCat("CUDA_VISIBLE_DEVICES=", device.uuid));
  entries.emplace_back("HF_HUB_OFFLINE=1");
  return entries;
}

absl::StatusOr<std::string> TorchLibraryPath(absl::Span<const std::string> environment, const std::string& path_file) {
  const std::optional<std::string> variable = FindVariable(environment, kTorchVariable);
  const bool is_set = variable.has_value() && !variable->empty();
  const std::string folder = is_set ? *variable : FirstLine(path_file);
  std::error_code error;
  if (!folder.empty() && fs::exists(fs::path(folder) / "libtorch_cpu.so", error)) {
    const fs::path path = fs::absolute(folder, error).lexically_normal();
    return LibraryPath(path.has_filename() ? path : path.parent_path());
  }
  const std::string found = is_set ? absl::StrCat(kTorchVariable, " is ", folder, ", which has no libtorch_cpu.so")
                            : folder.empty()
                                ? absl::StrCat(kTorchVariable, " is not set and ", path_file, " names no folder")
                                : absl::StrCat(path_file, " names ", folder, ", which has no libtorch_cpu.so");
  return TorchNotFound(absl::StrCat(
      "torch was not found: ", found, "; set ", kTorchVariable, " to torch's lib folder (site-packages/torch/lib)",
      is_set ? absl::StrCat(", or unset it to use ", path_file) : "", " and restart pivotd"));
}

}  // namespace pivot

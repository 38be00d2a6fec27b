// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/cached_model.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "sources/hub/hub_listing.h"

#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::hub {
namespace {

namespace fs = std::filesystem;

constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr size_t kMaxIndexBytes = size_t{256} << 20;

absl::Status NotCached(const HubName& name, absl::string_view fault) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat(HubUri(name), " is not in the cache: ", fault)),
                    "SOURCE_NOT_CACHED");
}

bool IsFile(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

/// The only GGUF file of the folder, or "".
std::string OnlyGguf(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (absl::EndsWithIgnoreCase(name, ".gguf")) names.push_back(name);
  }
  return names.size() == 1 ? names[0] : "";
}

/// The file that a folder of safetensors lacks, or "".
absl::StatusOr<std::string> FindLacking(const std::string& folder) {
  std::vector<std::string> needed = {"config.json"};
  if (IsFile(folder + "/" + kIndexFile)) {
    PIVOT_ASSIGN_OR_RETURN(const std::string index, ReadSmallFile(folder + "/" + kIndexFile, kMaxIndexBytes));
    PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> shards, ShardNames(index));
    needed.insert(needed.end(), shards.begin(), shards.end());
  } else {
    needed.emplace_back("model.safetensors");
  }
  const auto lacking = std::find_if(needed.begin(), needed.end(), [&folder](const std::string& name) {
    return !IsFile(absl::StrCat(folder, "/", name));
  });
  return lacking == needed.end() ? "" : *lacking;
}

}  // namespace

absl::StatusOr<FetchedModel> FindCachedModel(const HubCache& cache, const HubName& name) {
  const std::optional<std::string> commit = cache.CommitOf(name.revision);
  if (!commit.has_value()) {
    return NotCached(name, absl::StrCat(cache.folder(), " does not know the revision ", name.revision));
  }
  const std::string folder = cache.SnapshotPath(*commit);
  std::string gguf = name.file;
  if (gguf.empty() && !IsFile(folder + "/config.json")) gguf = OnlyGguf(folder);
  FetchedModel model{.path = gguf.empty() ? folder : absl::StrCat(folder, "/", gguf), .commit = *commit};
  std::string lacking = gguf.empty() || IsFile(model.path) ? "" : gguf;
  if (gguf.empty()) {
    PIVOT_ASSIGN_OR_RETURN(lacking, FindLacking(folder));
  }
  if (!lacking.empty()) return NotCached(name, absl::StrCat(folder, " has no ", lacking));
  return model;
}

}  // namespace pivot::hub

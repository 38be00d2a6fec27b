// SPDX-License-Identifier: Apache-2.0
#include "server/allowed_paths.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "server/errors.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxPathBytes = 4096;

bool LiesIn(const std::string& path, const std::string& root) {
  return path == root || absl::StartsWith(path, root == "/" ? root : absl::StrCat(root, "/"));
}

}  // namespace

absl::StatusOr<AllowedPaths> AllowedPaths::Make(absl::Span<const std::string> roots) {
  std::vector<std::string> resolved;
  for (const std::string& root : roots) {
    std::error_code error;
    const fs::path path = fs::canonical(root, error);
    if (error || !fs::is_directory(path, error)) {
      return absl::NotFoundError(
          absl::StrCat("--allow-path ", root, " is not a folder; make it, or leave the flag out"));
    }
    resolved.push_back(path.string());
  }
  return AllowedPaths(std::move(resolved));
}

absl::Status AllowedPaths::Check(const std::string& path, absl::string_view field) const {
  if (path.empty() || path[0] != '/' || path.size() > kMaxPathBytes || path.find('\0') != std::string::npos) {
    return InvalidSpec(
        field, absl::StrCat(field, " must be an absolute path on the server of at most ", kMaxPathBytes, " bytes"));
  }
  if (roots_.empty()) {
    return PathNotAllowed(
        field, absl::StrCat(field, ": this server reads no local paths; start it with --allow-path and a folder"));
  }
  std::error_code error;
  // Links are resolved as far as the path exists, so what is asked about outside the folders is answered the same
  // either way.
  const std::string resolved = fs::weakly_canonical(path, error).string();
  const bool inside = !error && std::any_of(roots_.begin(), roots_.end(),
                                            [&](const std::string& root) { return LiesIn(resolved, root); });
  if (!inside) {
    return PathNotAllowed(field,
                          absl::StrCat(field, ": ", path, " is not in a folder that this server may read; allowed are ",
                                       absl::StrJoin(roots_, ", "), "; more are allowed by its flag --allow-path"));
  }
  return fs::exists(resolved, error) ? absl::OkStatus() : SourceNotAvailable(field, path);
}

}  // namespace pivot

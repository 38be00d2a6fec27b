// SPDX-License-Identifier: Apache-2.0
#include "client/beneath.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "proto/files/durable_file.h"
#include "proto/files/manifest.h"

namespace pivot::client {

absl::StatusOr<Place> PlaceBeneath(const std::string& root, const std::string& path) {
  if (!IsSafeRelativePath(path))
    return absl::InvalidArgumentError(absl::StrCat("\"", path, "\" would lie outside ", root));
  UniqueFd folder(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return StatusFromErrno(errno, "cannot open", root);
  std::vector<std::string> parts = absl::StrSplit(path, '/');
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    if (mkdirat(folder.get(), parts[i].c_str(), 0755) != 0 && errno != EEXIST) {
      return StatusFromErrno(errno, "cannot create a folder for", absl::StrCat(root, "/", path));
    }
    // One part at a time and never through a link: nothing that lies in the folder can lead out of it.
    UniqueFd next(openat(folder.get(), parts[i].c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (next.get() < 0) return StatusFromErrno(errno, "cannot open the folder of", absl::StrCat(root, "/", path));
    folder = std::move(next);
  }
  return Place{std::move(folder), std::move(parts.back())};
}

absl::StatusOr<Place> PlaceOf(const std::string& path) {
  const std::filesystem::path whole(path);
  const std::string parent = whole.has_parent_path() ? whole.parent_path().string() : ".";
  UniqueFd folder(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return StatusFromErrno(errno, "cannot open the folder", parent);
  return Place{std::move(folder), whole.filename().string()};
}

absl::StatusOr<UniqueFd> OpenToFill(const Place& place, const std::string& name) {
  UniqueFd file(openat(place.folder.get(), name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644));
  if (file.get() < 0) return StatusFromErrno(errno, "cannot create", name);
  struct stat info{};
  if (fstat(file.get(), &info) != 0) return StatusFromErrno(errno, "cannot read", name);
  if (!S_ISREG(info.st_mode))
    return absl::InvalidArgumentError(absl::StrCat(name, " is in the way: it is not a plain file"));
  return file;
}

}  // namespace pivot::client

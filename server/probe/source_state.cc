// SPDX-License-Identifier: Apache-2.0
#include "server/probe/source_state.h"

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxEntries = 4096;

class Look {
 public:
  /// False: it cannot be told.
  bool Add(const std::string& path) {
    struct stat info{};
    struct stat link{};
    if (lines_.size() >= kMaxEntries || stat(path.c_str(), &info) != 0 || lstat(path.c_str(), &link) != 0) return false;
    // What lies behind a link to a folder is not looked at.
    if (S_ISLNK(link.st_mode) && !S_ISREG(info.st_mode)) return false;
    lines_.push_back(absl::StrCat(path, "|", Line(info), "|", Line(link)));
    last_change_ = std::max({last_change_, absl::TimeFromTimespec(info.st_ctim), absl::TimeFromTimespec(link.st_ctim)});
    return true;
  }

  template <typename Iterator>
  bool AddAll(const fs::path& folder) {
    std::error_code error;
    Iterator entry(folder, error);
    for (const Iterator end; !error && entry != end; entry.increment(error)) {
      if (!Add(entry->path().string())) return false;
    }
    return !error;
  }

  SourceState State() {
    // Folders tell their entries in any order.
    std::sort(lines_.begin(), lines_.end());
    return {absl::StrJoin(lines_, "\n"), last_change_};
  }

 private:
  static std::string Line(const struct stat& info) {
    return absl::StrCat(info.st_dev, " ", info.st_ino, " ", info.st_mode, " ", info.st_size, " ",
                        absl::ToUnixNanos(absl::TimeFromTimespec(info.st_mtim)), " ",
                        absl::ToUnixNanos(absl::TimeFromTimespec(info.st_ctim)));
  }

  std::vector<std::string> lines_;
  absl::Time last_change_ = absl::InfinitePast();
};

}  // namespace

std::optional<SourceState> LookAtSource(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error) return std::nullopt;
  Look look;
  const bool told = fs::is_directory(real, error)
                        ? look.Add(real.string()) && look.AddAll<fs::recursive_directory_iterator>(real)
                        : look.Add(path) && look.AddAll<fs::directory_iterator>(fs::path(path).parent_path());
  if (!told || error) return std::nullopt;
  return look.State();
}

}  // namespace pivot

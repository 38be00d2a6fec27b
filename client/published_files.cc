// SPDX-License-Identifier: Apache-2.0
#include "client/published_files.h"

#include <filesystem>
#include <system_error>

#include "proto/files/manifest.h"
#include "proto/files/sha256.h"

namespace pivot::client {
namespace {

namespace fs = std::filesystem;

void LinkFiles(const fs::path& object, const fs::path& folder) {
  std::error_code error;
  fs::recursive_directory_iterator entries(object, error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    const fs::path path = entries->path().lexically_relative(object);
    // The manifest is written last, by whoever has verified the rest.
    if (path == kManifestPath || entries->symlink_status(ignored).type() != fs::file_type::regular) continue;
    fs::create_directories((folder / path).parent_path(), ignored);
    fs::create_hard_link(entries->path(), folder / path, ignored);
  }
}

}  // namespace

void LinkPublishedFiles(const std::string& data_folder, absl::string_view manifest_sha256, const std::string& folder) {
  std::error_code error;
  fs::directory_iterator objects(data_folder + "/objects", error);
  for (; !error && objects != fs::directory_iterator(); objects.increment(error)) {
    const auto hash = Sha256OfFile((objects->path() / kManifestPath).string());
    if (hash.ok() && *hash == manifest_sha256) return LinkFiles(objects->path(), folder);
  }
}

void MakeFilesWritable(const std::string& folder) {
  std::error_code error;
  fs::recursive_directory_iterator entries(folder, error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    if (entries->symlink_status(ignored).type() != fs::file_type::regular) continue;
    fs::permissions(entries->path(), fs::perms::owner_write, fs::perm_options::add, ignored);
  }
}

}  // namespace pivot::client

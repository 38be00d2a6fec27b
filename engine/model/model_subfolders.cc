// SPDX-License-Identifier: Apache-2.0
#include "engine/model/model_subfolders.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace pivot {
namespace {

namespace fs = std::filesystem;

bool HasConfig(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(folder / "config.json", error);
}

}  // namespace

std::vector<std::string> ModelSubfolders(const std::string& path) {
  std::vector<std::string> names;
  if (HasConfig(path)) return names;
  std::error_code error;
  fs::directory_iterator entries(path, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (HasConfig(entries->path())) names.push_back(entries->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace pivot

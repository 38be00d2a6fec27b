// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SUPPORT_TEMPORARY_FOLDER_H_
#define PIVOT_TESTS_SUPPORT_TEMPORARY_FOLDER_H_

// A folder that lives as long as the object.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/string_view.h"

namespace pivot {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pivot-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }

  const std::string& path() const { return path_; }
  /// The path of something in it.
  std::string operator/(absl::string_view name) const { return path_ + "/" + std::string(name); }

  /// Writes a file, making folders as needed; returns its path.
  std::string Write(absl::string_view name, absl::string_view content) const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
    return path;
  }

 private:
  std::string path_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_SUPPORT_TEMPORARY_FOLDER_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_FUZZ_SCRATCH_FOLDER_H_
#define PIVOT_TESTS_FUZZ_SCRATCH_FOLDER_H_

// A folder in memory for parsers that open their files themselves. It is written anew for each input.

#include <string>

#include "absl/strings/string_view.h"

namespace pivot {

class ScratchFolder {
 public:
  /// Makes a folder below /dev/shm; the process ends when it cannot.
  ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();

  const std::string& path() const { return path_; }
  /// Replaces the file's content; behind it come `zeros` bytes that take no memory. Returns its path.
  std::string Write(absl::string_view name, absl::string_view content, size_t zeros = 0) const;
  void Remove(absl::string_view name) const;

 private:
  std::string path_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_FUZZ_SCRATCH_FOLDER_H_

// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/scratch_folder.h"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/types.h>
#include <system_error>
#include <unistd.h>

namespace pivot {

ScratchFolder::ScratchFolder() {
  std::string pattern = "/dev/shm/pivot-fuzz-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

std::string ScratchFolder::Write(absl::string_view name, absl::string_view content, size_t zeros) const {
  std::string path = path_ + "/" + std::string(name);
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool is_whole = fd >= 0 && write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
                        ftruncate(fd, static_cast<off_t>(content.size() + zeros)) == 0;
  if (!is_whole) std::abort();
  close(fd);
  return path;
}

void ScratchFolder::Remove(absl::string_view name) const { unlink((path_ + "/" + std::string(name)).c_str()); }

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
// Takes the place of engine/model/mapped_file.cc in fuzzers: a file's bytes in memory of exactly its size, so that
// AddressSanitizer sees a byte that is read behind its end.
#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "absl/status/status.h"

#include "engine/model/mapped_file.h"
#include "tests/fuzz/require.h"

namespace pivot {

absl::StatusOr<std::shared_ptr<MappedFile>> MappedFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::NotFoundError(path);
  struct stat info{};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(path);
  }
  auto* data = new char[static_cast<size_t>(info.st_size)];
  const ssize_t got = read(fd, data, static_cast<size_t>(info.st_size));
  close(fd);
  return std::shared_ptr<MappedFile>(new MappedFile(path, data, std::max<ssize_t>(got, 0)));
}

MappedFile::MappedFile(std::string path, void* data, int64_t size, Mapping* mapping)
    : path_(std::move(path)), data_(data), size_(size), mapping_(mapping) {}

MappedFile::~MappedFile() {
  PIVOT_REQUIRE(mapping_ == nullptr);
  delete[] static_cast<char*>(data_);
}

void ReleasePages(absl::string_view /*bytes*/, Reuse /*reuse*/) {}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "engine/model/mapped_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/mapped_changes.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"

namespace pivot {

absl::StatusOr<std::shared_ptr<MappedFile>> MappedFile::Open(const std::string& path) {
  // O_NONBLOCK: a FIFO is refused below instead of waited for.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return StatusFromErrno(errno, "cannot open", path);
  struct stat info{};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return WithReason(absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file")), "UNSAFE_SOURCE");
  }
  void* data = nullptr;
  Mapping* mapping = nullptr;
  if (info.st_size > 0) {
    data = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
      const int error = errno;
      close(fd);
      return StatusFromErrno(error, "cannot map", path);
    }
    mapping = AddMapping(path, data, info);
  }
  close(fd);
  return std::shared_ptr<MappedFile>(new MappedFile(path, data, info.st_size, mapping));
}

MappedFile::MappedFile(std::string path, void* data, int64_t size, Mapping* mapping)
    : path_(std::move(path)), data_(data), size_(size), mapping_(mapping) {}

void ReleasePages(absl::string_view bytes, Reuse reuse) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t behind = reinterpret_cast<uintptr_t>(bytes.data()) % page;
  bytes.remove_prefix(std::min(bytes.size(), (page - behind) % page));
  const size_t whole = bytes.size() / page * page;
  // The mapping is read-only: what is dropped is still in the file.
  void* begin = const_cast<char*>(bytes.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  if (whole == 0) return;
  if (reuse == Reuse::kNotSoon) madvise(begin, whole, MADV_COLD);
  madvise(begin, whole, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (mapping_ == nullptr) return;
  RemoveMapping(mapping_);
  munmap(data_, static_cast<size_t>(size_));
}

}  // namespace pivot

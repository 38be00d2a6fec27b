// SPDX-License-Identifier: Apache-2.0
#include "server/worker/log_tail.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>

#include "server/convert.h"
#include "server/process/unique_fd.h"

namespace pivot {
namespace {

constexpr int64_t kMaxTailBytes = 4096;

}  // namespace

std::string ReadLogTail(const std::string& path, int64_t begin) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info{};
  if (!file.valid() || fstat(file.get(), &info) != 0 || info.st_size <= begin) return "";
  const int64_t from = std::max<int64_t>(begin, info.st_size - kMaxTailBytes);
  std::string bytes(static_cast<size_t>(info.st_size - from), '\0');
  const ssize_t count = pread(file.get(), bytes.data(), bytes.size(), from);
  bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
  const size_t first_end = bytes.find('\n');
  // A cut line says little, but more than nothing.
  if (from > begin && first_end != std::string::npos && first_end + 1 < bytes.size()) bytes.erase(0, first_end + 1);
  return Utf8Tail(bytes, kMaxTailBytes);
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "server/worker/attempt_log.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include "proto/files/crash_point.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"
#include "server/convert.h"

namespace pivot {
namespace {

constexpr size_t kMaxTailBytes = 4096;
constexpr size_t kOffsetDigits = 20;
// A file may be removed between the look at the folder and its opening.
constexpr int kMaxLooks = 8;

std::string FileOf(const std::string& folder, int64_t begin) { return absl::StrFormat("%s/%020d.log", folder, begin); }

/// Offsets of the files, ascending.
absl::StatusOr<std::vector<int64_t>> ListFiles(const std::string& folder) {
  std::vector<int64_t> begins;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (const std::filesystem::directory_iterator end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    absl::string_view digits = name;
    int64_t begin = 0;
    const bool is_ours = absl::ConsumeSuffix(&digits, ".log") && digits.size() == kOffsetDigits &&
                         absl::SimpleAtoi(digits, &begin) && begin >= 0;
    if (is_ours) begins.push_back(begin);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return StatusFromErrno(error.value(), "cannot read", folder);
  }
  std::sort(begins.begin(), begins.end());
  return begins;
}

struct OpenFile {
  UniqueFd fd;  // invalid: it is gone
  int64_t size = 0;
};

absl::StatusOr<OpenFile> Open(const std::string& path) {
  OpenFile file{.fd = UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW))};
  struct stat info{};
  if (!file.fd.valid() && errno == ENOENT) return file;
  if (!file.fd.valid() || fstat(file.fd.get(), &info) != 0) return StatusFromErrno(errno, "cannot open", path);
  file.size = info.st_size;
  return file;
}

absl::Status ReadPiece(const OpenFile& file, int64_t position, int64_t max_bytes, std::string* bytes) {
  bytes->resize(static_cast<size_t>(std::min(max_bytes, file.size - position)));
  const ssize_t count = pread(file.fd.get(), bytes->data(), bytes->size(), position);
  if (count < 0) return StatusFromErrno(errno, "cannot read", "a worker's log");
  bytes->resize(static_cast<size_t>(count));
  return absl::OkStatus();
}

/// False: a file went away meanwhile; to be tried again.
absl::StatusOr<bool> TryRead(const std::string& folder, int64_t max_bytes, LogPiece* piece) {
  PIVOT_ASSIGN_OR_RETURN(const std::vector<int64_t> begins, ListFiles(folder));
  if (begins.empty()) return true;
  // The last file that begins at or before the offset, then those behind it.
  auto next = std::upper_bound(begins.begin(), begins.end(), piece->offset);
  if (next != begins.begin()) --next;
  for (; next != begins.end(); ++next) {
    PIVOT_ASSIGN_OR_RETURN(const OpenFile file, Open(FileOf(folder, *next)));
    if (!file.fd.valid()) return false;
    piece->end = *next + file.size;
    if (piece->offset >= piece->end) continue;
    piece->offset = std::max(piece->offset, *next);
    PIVOT_RETURN_IF_ERROR(ReadPiece(file, piece->offset - *next, max_bytes, &piece->bytes));
    return true;
  }
  return true;
}

}  // namespace

void LogWriter::Append(absl::string_view bytes) {
  KeepTail(bytes);
  while (!bytes.empty()) {
    const int64_t written = WriteSome(bytes);
    if (written <= 0) {
      // The next file begins behind what is lost.
      offset_ += static_cast<int64_t>(bytes.size());
      file_.Close();
      return;
    }
    PIVOT_CRASH_POINT("log.written");
    offset_ += written;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

int64_t LogWriter::WriteSome(absl::string_view bytes) {
  if (file_.valid() && offset_ - file_begin_ >= limits_.file_bytes) file_.Close();
  if (!file_.valid() && !OpenNextFile()) return -1;
  const int64_t room = limits_.file_bytes - (offset_ - file_begin_);
  const auto size = std::min(static_cast<int64_t>(bytes.size()), room);
  ssize_t count = 0;
  do {
    count = write(file_.get(), bytes.data(), static_cast<size_t>(size));
  } while (count < 0 && errno == EINTR);
  return count;
}

bool LogWriter::OpenNextFile() {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  PIVOT_CRASH_POINT("log.folder_made");
  const std::string path = FileOf(folder_, offset_);
  file_ = UniqueFd(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file_.valid()) return false;
  PIVOT_CRASH_POINT("log.opened");
  file_begin_ = offset_;
  kept_.push_back(offset_);
  if (kept_.size() <= std::max<size_t>(limits_.max_files, 2)) return true;
  unlink(FileOf(folder_, kept_[1]).c_str());
  PIVOT_CRASH_POINT("log.oldest_removed");
  kept_.erase(kept_.begin() + 1);
  return true;
}

void LogWriter::KeepTail(absl::string_view bytes) {
  // One byte more than is shown tells whether the first line is whole.
  constexpr size_t kKept = kMaxTailBytes + 1;
  if (bytes.size() > kKept) bytes.remove_prefix(bytes.size() - kKept);
  if (tail_.size() + bytes.size() > kKept) tail_.erase(0, tail_.size() + bytes.size() - kKept);
  tail_.append(bytes.data(), bytes.size());
}

std::string LogWriter::Tail() const {
  if (tail_.size() <= kMaxTailBytes) return Utf8Tail(tail_, kMaxTailBytes);
  const size_t first_end = tail_.find('\n');
  // A cut line says little, but more than nothing.
  const bool has_lines = first_end != std::string::npos && first_end + 1 < tail_.size();
  return Utf8Tail(absl::string_view(tail_).substr(has_lines ? first_end + 1 : 0), kMaxTailBytes);
}

absl::StatusOr<LogPiece> ReadLog(const std::string& folder, int64_t offset, int64_t max_bytes) {
  for (int i = 0; i < kMaxLooks; ++i) {
    LogPiece piece{.offset = offset};
    PIVOT_ASSIGN_OR_RETURN(const bool done, TryRead(folder, max_bytes, &piece));
    if (done) return piece;
  }
  return absl::UnavailableError(absl::StrCat("the log grows faster than it can be read from offset ", offset));
}

}  // namespace pivot

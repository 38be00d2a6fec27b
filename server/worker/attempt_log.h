// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_WORKER_ATTEMPT_LOG_H_
#define PIVOT_SERVER_WORKER_ATTEMPT_LOG_H_

// What the worker of one attempt writes to its standard output and error, kept in a folder of its own within bounds.
//
// Places are offsets in bytes in all that the worker wrote. The folder holds files named by the offset of their first
// byte, twenty digits and ".log". Of a long log the first file and the newest ones are kept, so there is one gap;
// what could not be written, on a full disk, is another one. One writer, any number of readers beside it.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "server/process/unique_fd.h"

namespace pivot {

struct LogLimits {
  int64_t file_bytes = int64_t{1} << 20;
  size_t max_files = 8;  // at least 2: the first and the newest
};

/// For one thread.
class LogWriter {
 public:
  /// `folder` is made with the first byte.
  explicit LogWriter(std::string folder, const LogLimits& limits = {}) : folder_(std::move(folder)), limits_(limits) {}

  /// Never fails: bytes that cannot be written are left out, and counted.
  void Append(absl::string_view bytes);

  /// The last lines, valid UTF-8 of at most 4 KiB; whole lines where more was written.
  std::string Tail() const;

  /// All that was appended.
  int64_t num_bytes() const { return offset_; }

 private:
  /// How many of `bytes` were written; -1 when none can be.
  int64_t WriteSome(absl::string_view bytes);
  bool OpenNextFile();
  void KeepTail(absl::string_view bytes);

  const std::string folder_;
  const LogLimits limits_;
  UniqueFd file_;              // the newest; invalid when the next byte needs a new one
  int64_t file_begin_ = 0;     // its offset
  std::vector<int64_t> kept_;  // offsets of all files
  int64_t offset_ = 0;
  std::string tail_;
};

struct LogPiece {
  int64_t offset = 0;  // of the first byte: as asked for, or behind a gap
  std::string bytes;   // empty: there is nothing more
  int64_t end = 0;     // offset of what will be written next, as far as that shows
};

/// The first bytes that are kept from `offset` on, at most `max_bytes`. A folder that is not there holds nothing.
absl::StatusOr<LogPiece> ReadLog(const std::string& folder, int64_t offset, int64_t max_bytes);

}  // namespace pivot

#endif  // PIVOT_SERVER_WORKER_ATTEMPT_LOG_H_

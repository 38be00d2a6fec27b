// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_MAPPED_CHANGES_H_
#define PIVOT_ENGINE_MODEL_MAPPED_CHANGES_H_

// Files that somebody changes while they are mapped. What is then read of them is neither their old nor their new
// content, and memory of a file that has become shorter cannot be read at all: the kernel sends SIGBUS.

#include <cstdint>
#include <functional>
#include <string>
#include <sys/stat.h>

#include "absl/status/status.h"

namespace pivot {

/// One mapping in the process's list; lives for ever, and is used again when its file is unmapped.
struct Mapping;

/// Adds the memory that a file is mapped to; `info` is the file's when it was opened. Any thread.
Mapping* AddMapping(const std::string& path, const void* data, const struct stat& info);
/// Takes it out again. That its file has changed is remembered.
void RemoveMapping(Mapping* mapping);

/// OK when no file has changed between the time it was mapped and now, or the time it was unmapped: it has the size and
/// time it had, or another file has its name. Else kFailedPrecondition with reason SOURCE_CHANGED, naming the first:
/// "FILE changed while it was read". Any thread.
absl::Status CheckMappedFiles();

/// From now on a read of mapped memory that the kernel answers with SIGBUS calls `report`, on a thread of its own. The
/// status is CheckMappedFiles', or kUnavailable when the file is as it was and the disk has failed. The thread that
/// read never goes on: `report` must end the process. At most once in a process; other causes of SIGBUS stay fatal.
void ReportBusErrors(std::function<void(const absl::Status&)> report);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_MAPPED_CHANGES_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_BOOKS_H_
#define PIVOT_SERVER_STORE_BOOKS_H_

// The statements that keep the scheduler's books: what jobs need, what projects have used, how estimates turned out.

#include <cstdint>
#include <string>

#include "absl/status/status.h"

#include "server/store/records.h"
#include "server/store/rows.h"

namespace pivot {

int64_t ToMicros(double seconds);

/// Writes what a new job's plan says that it needs.
absl::Status NoteNeeds(WriteBatch& batch, const std::string& uid, const NewJob& job);

/// Its lane gets a device now.
absl::Status NoteClaim(WriteBatch& batch, const QueuedJob& job);

/// An attempt ends now: its project is charged with its device time, a preemption counted, and a run that did all of
/// the work scored. Of an attempt that was lost with the server the time after its newest event does not count. To be
/// called before the attempt's row is closed and its end told.
absl::Status ChargeAttempt(WriteBatch& batch, const AttemptKey& key, const v1::Attempt& ended);

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_BOOKS_H_

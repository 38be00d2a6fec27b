// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_TASK_H_
#define PIVOT_CLIENT_TASK_H_

// A short job whose answer is wanted now: evaluate and generate.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "pivot/v1/job.pb.h"

#include "client/console.h"
#include "client/session.h"
#include "client/view/reporter.h"

namespace pivot::client {

/// A session with the server, or, when its address is empty, with a private one that may read what the job reads
/// and keeps its data in a new folder of `data_parent` (empty: the folder for temporary files).
absl::StatusOr<std::unique_ptr<Session>> OpenTaskSession(const v1::JobSpec& spec, const ServerAddress& server,
                                                         const std::string& data_parent, const Console& console);

/// Runs it to its end: the job, which succeeded. Ctrl-C cancels it.
absl::StatusOr<v1::Job> RunTask(const v1::JobSpec& spec, Session* session, const Console& console, Reporter* reporter);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_TASK_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_FOLLOW_H_
#define PIVOT_CLIENT_FOLLOW_H_

// A job watched until it ends, shown while it goes.

#include <cstdint>
#include <stop_token>

#include "absl/status/statusor.h"
#include "pivot/v1/job.pb.h"

#include "client/session.h"
#include "client/view/reporter.h"

namespace pivot::client {

enum class OnStop {
  /// The job is not touched.
  kLeave,
  /// The job is cancelled; nothing is waited for.
  kCancel,
  /// The job is cancelled and its end awaited: the answer is the ended job.
  kCancelAndWait,
};

struct FollowOptions {
  std::stop_token stop;
  OnStop on_stop = OnStop::kLeave;
};

/// The job after its last event, whatever its state. Interrupted() when stopped, but for OnStop::kCancelAndWait.
absl::StatusOr<v1::Job> FollowJob(const v1::Job& job, Session* session, Reporter* reporter,
                                  const FollowOptions& options);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_FOLLOW_H_

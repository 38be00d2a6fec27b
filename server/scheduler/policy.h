// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_SCHEDULER_POLICY_H_
#define PIVOT_SERVER_SCHEDULER_POLICY_H_

// What the scheduler does next, as a pure function of who waits, who runs, who has used how much and what is free. It
// reads no clock and no randomness: equal snapshots give equal decisions.
//
// The first job of the queue (fair_share.h) that cannot start has a reservation: where and when it could start by
// the estimates of those that run. Jobs behind it start only where they do not delay that: they are back by then by
// their upper estimates, or take nothing that it needs. For a job that is overdue only the latter counts, so that wrong
// estimates do not delay it for ever.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/scheduler/admission.h"
#include "server/scheduler/device.h"
#include "server/scheduler/fair_share.h"
#include "server/store/queue.h"

namespace pivot {

struct PolicyOptions {
  FairShareOptions fair_share;
  bool reserves = true;

  // A running job of a lower band is asked to give its device back
  bool preempts = true;
  double min_run_seconds = 600;   // not before it has run for so long,
  double min_left_seconds = 600;  // not when its estimate leaves less than this,
  int max_preemptions = 3;        // and not more often.
};

struct Grant {
  QueuedJob job;  // with the needs to reserve
  Device device;
  int64_t gpu_budget_bytes = 0;  // what the job may use of its GPU; 0: all of it
};

struct Waiting {
  std::string uid;
  Hindrance hindrance = Hindrance::kDevice;
};

struct Decision {
  std::optional<Grant> start;
  // When nothing can start:
  std::optional<RunningJob> preempt;  // to make room for the first that may ask for it
  std::vector<Waiting> waiting;       // every queued job, in the queue's order
};

/// The next step. To be taken, and asked for again with the snapshot that it leads to, until nothing starts.
Decision Decide(const QueueSnapshot& snapshot, const Room& room, const PolicyOptions& options = {});

}  // namespace pivot

#endif  // PIVOT_SERVER_SCHEDULER_POLICY_H_

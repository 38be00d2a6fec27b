// SPDX-License-Identifier: Apache-2.0
// The scheduler's look at a long queue, when its only device is taken: what every job that comes costs.
#include <chrono>

#include "proto/status/status_macros.h"
#include "server/scheduler/policy.h"
#include "server/store/store.h"
#include "tests/benchmarks/server/bulk_jobs.h"
#include "tests/benchmarks/server/measures.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPasses = 20;

RunningJob Holder(int64_t start_us) {
  return {.uid = "holder", .project = "other", .attempt = 1, .priority = 50, .device = "cpu", .start_us = start_us};
}

}  // namespace

absl::Status MeasureQueue(const Bench& bench) {
  const ServedPivotd::Options options = bench.OptionsFor("queue");
  PIVOT_RETURN_IF_ERROR(
      FillDatabase(options.data, {.jobs = bench.scale.queued_jobs, .states = BulkJobs::States::kQueued}));
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(options.data + "/pivot.db"));
  const Room room{.devices = {{.device = {.name = "cpu"}}}};
  Latencies reads;
  Latencies decisions;
  for (int i = 0; i < kPasses; ++i) {
    const auto begin = Clock::now();
    PIVOT_ASSIGN_OR_RETURN(QueueSnapshot snapshot, store->ReadSnapshot());
    const auto read = Clock::now();
    snapshot.running.push_back(Holder(snapshot.now_us));
    const Decision decision = Decide(snapshot, room);
    reads.Add(absl::FromChrono(read - begin));
    decisions.Add(absl::FromChrono(Clock::now() - read));
    if (decision.waiting.size() < static_cast<size_t>(bench.scale.queued_jobs))
      return absl::InternalError("the queue is not as long as it should be");
  }
  bench.figures->Add({.name = "scheduler.snapshot.p50", .value = reads.Milliseconds(0.5), .unit = "ms"});
  bench.figures->Add({.name = "scheduler.decision.p50", .value = decisions.Milliseconds(0.5), .unit = "ms"});
  bench.figures->Add({.name = "scheduler.pass.p50",
                      .value = reads.Milliseconds(0.5) + decisions.Milliseconds(0.5),
                      .unit = "ms",
                      .at_most = bench.Bar(50)});
  return absl::OkStatus();
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_BENCHMARKS_SERVER_CALL_LOAD_H_
#define PIVOT_TESTS_BENCHMARKS_SERVER_CALL_LOAD_H_

// Many equal calls: at a rate, or as many as go through.

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

#include "tests/benchmarks/server/figures.h"

namespace pivot {

struct LoadResult {
  std::unique_ptr<Latencies> latencies = std::make_unique<Latencies>();
  int refused = 0;  // calls that failed; their times are left out
  absl::Duration took;
  double rate() const { return static_cast<double>(latencies->size()) / absl::ToDoubleSeconds(took); }
};

using CallDone = std::function<void(const grpc::Status&)>;

/// Begins call `index` and returns; `done` is to be called when it is answered, from any thread.
using BeginCall = std::function<void(int index, CallDone done)>;

/// `count` calls, begun at a steady rate whether or not earlier ones have been answered. A call's time counts from when
/// it was to begin: what waits behind a slow one counts too. An error when all
/// failed.
absl::StatusOr<LoadResult> CallAtRate(const BeginCall& begin, double calls_a_second, int count);

/// `count` calls, `depth` of them under way at all times.
absl::StatusOr<LoadResult> CallAtDepth(const BeginCall& begin, int depth, int count);

}  // namespace pivot

#endif  // PIVOT_TESTS_BENCHMARKS_SERVER_CALL_LOAD_H_

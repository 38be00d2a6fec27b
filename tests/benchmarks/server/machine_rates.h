// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_BENCHMARKS_SERVER_MACHINE_RATES_H_
#define PIVOT_TESTS_BENCHMARKS_SERVER_MACHINE_RATES_H_

// What the machine itself can do now: figures of a server mean little without it.

#include <grpcpp/grpcpp.h>
#include <memory>
#include <string>

#include "absl/status/status.h"

#include "tests/benchmarks/server/call_load.h"
#include "tests/benchmarks/server/figures.h"

namespace pivot {

/// machine.fdatasync: 512 bytes more in a file, synced. machine.commit: one row in SQLite as the store opens it.
absl::Status MeasureDisk(const std::string& folder, int count, Figures& figures);

/// The same commits at a steady rate, NAME.p50 and NAME.p99: a disk that has been idle may take its time.
absl::Status MeasureCommits(const std::string& name, const std::string& folder, double commits_a_second, int count,
                            Figures& figures);

/// A call of grpc.health.v1.Health/Check, which gRPC answers by itself, of the same server: the least that any call
/// takes.
BeginCall EchoCall(const std::shared_ptr<grpc::Channel>& channel);

/// machine.echo: one after the other, and 64 at once.
absl::Status MeasureEcho(const std::shared_ptr<grpc::Channel>& channel, int count, Figures& figures);

}  // namespace pivot

#endif  // PIVOT_TESTS_BENCHMARKS_SERVER_MACHINE_RATES_H_

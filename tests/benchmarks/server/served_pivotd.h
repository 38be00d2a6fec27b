// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_BENCHMARKS_SERVER_SERVED_PIVOTD_H_
#define PIVOT_TESTS_BENCHMARKS_SERVER_SERVED_PIVOTD_H_

// A pivotd of our own on a Unix socket or a loopback port, and channels to it.

#include <cstdint>
#include <grpcpp/grpcpp.h>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "server/process/spawn.h"
#include "server/process/unique_fd.h"

namespace pivot {

struct Programs {
  std::string pivotd;
  std::string probe;
  std::string worker;
};

/// Whether nobody but this machine can reach the address: "unix:PATH", "127.0.0.1:PORT", "[::1]:PORT".
bool IsLoopback(const std::string& address);

class ServedPivotd {
 public:
  struct Options {
    Programs programs;
    std::string data;
    std::string listen;  // a loopback address
    std::vector<std::string> allow_paths;
    std::string worker_script;  // file for PIVOT_FAKE_SCRIPT; empty: none
    int max_queued = 10000;
  };

  /// Returns once it serves. kInvalidArgument for an address that others could reach.
  static absl::StatusOr<std::unique_ptr<ServedPivotd>> Start(const Options& options);
  ServedPivotd(const ServedPivotd&) = delete;
  ServedPivotd& operator=(const ServedPivotd&) = delete;
  /// Ends it with SIGTERM, or after 30 s with SIGKILL.
  ~ServedPivotd();

  /// From its start to the first address that it was ready on.
  absl::Duration start_took() const { return start_took_; }
  int64_t resident_bytes() const;
  /// Processor time that it has used.
  absl::Duration processor_time() const;

  /// A connection of its own.
  std::shared_ptr<grpc::Channel> Connect() const;

 private:
  ServedPivotd() = default;

  ChildProcess process_;
  UniqueFd lifeline_;
  std::string address_;
  absl::Duration start_took_;
};

}  // namespace pivot

#endif  // PIVOT_TESTS_BENCHMARKS_SERVER_SERVED_PIVOTD_H_

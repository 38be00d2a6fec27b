// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_PRIVATE_SERVER_H_
#define PIVOT_CLIENT_PRIVATE_SERVER_H_

// A pivotd of our own that lives no longer than we do.

#include <memory>
#include <stop_token>
#include <string>
#include <sys/types.h>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "client/unique_fd.h"

namespace pivot::client {

struct PrivateServerOptions {
  /// Absolute; made when it is missing. The server's log goes to pivotd.log in it.
  std::string data_folder;
  /// Folders that jobs may read.
  std::vector<std::string> allow_paths;
  /// The pivotd to start.
  std::string program;
  absl::Duration ready_timeout = absl::Minutes(1);
  /// After the lifeline was closed: when SIGTERM, then SIGKILL follows.
  absl::Duration terminate_after = absl::Seconds(15);
  absl::Duration kill_after = absl::Seconds(25);
  std::stop_token stop;
};

/// Owns the process. It holds the read end of a pipe whose write end is ours: it stops when we close that or die,
/// however.
class PrivateServer {
 public:
  /// Returns when it accepts calls. If it ends before, the status has what it said last.
  static absl::StatusOr<std::unique_ptr<PrivateServer>> Start(const PrivateServerOptions& options);

  PrivateServer(const PrivateServer&) = delete;
  PrivateServer& operator=(const PrivateServer&) = delete;
  /// Stops it.
  ~PrivateServer();

  const std::string& address() const { return address_; }

  /// kInternal once it has ended by itself.
  absl::Status CheckAlive();

  /// Lets it stop and waits until it is gone. Stopping twice does nothing.
  void Stop();

 private:
  explicit PrivateServer(const PrivateServerOptions& options);

  absl::Status Launch();
  absl::StatusOr<std::string> ChooseSocketPath();
  absl::Status AwaitReady(int ready_fd);
  absl::Status RefusedToStart(int wait_status) const;
  std::string LastWords() const;

  PrivateServerOptions options_;
  std::string log_path_;
  int64_t log_begin_ = 0;
  std::string socket_folder_;  // to be removed; empty when the socket lies in the data folder
  std::string address_;
  UniqueFd lifeline_;
  pid_t process_ = -1;
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_PRIVATE_SERVER_H_

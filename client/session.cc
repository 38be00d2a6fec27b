// SPDX-License-Identifier: Apache-2.0
#include "client/session.h"

#include <fcntl.h>
#include <sys/file.h>
#include <utility>

#include "absl/time/clock.h"

#include "client/backoff.h"
#include "client/unique_fd.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr absl::Duration kWaitForPredecessor = absl::Seconds(30);

bool IsLocked(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  return file.get() >= 0 && flock(file.get(), LOCK_EX | LOCK_NB) != 0;
}

/// A server whose client was killed needs a moment to end its worker. If it stays, the new one says so itself.
absl::Status AwaitPredecessor(const std::string& data_folder, const std::stop_token& stop) {
  const absl::Time deadline = absl::Now() + kWaitForPredecessor;
  while (IsLocked(data_folder + "/pivotd.lock") && absl::Now() < deadline) {
    if (!SleepUnlessStopped(absl::Milliseconds(50), stop)) return Interrupted();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Remote(const ServerAddress& server) {
  std::unique_ptr<Session> session(new Session);
  PIVOT_ASSIGN_OR_RETURN(session->connection_, Connect(server));
  return session;
}

absl::StatusOr<std::unique_ptr<Session>> Session::Private(const PrivateServerOptions& options) {
  std::unique_ptr<Session> session(new Session);
  PIVOT_RETURN_IF_ERROR(AwaitPredecessor(options.data_folder, options.stop));
  PIVOT_ASSIGN_OR_RETURN(session->server_, PrivateServer::Start(options));
  PIVOT_ASSIGN_OR_RETURN(session->connection_, Connect(session->server_->address()));
  return session;
}

absl::StatusOr<std::unique_ptr<Session>> Session::Temporary(PrivateServerOptions options, const std::string& parent) {
  PIVOT_ASSIGN_OR_RETURN(options.data_folder, MakeTemporaryFolder(parent));
  auto folder = std::make_unique<ScopedFolder>(options.data_folder);
  PIVOT_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Private(options));
  session->folder_ = std::move(folder);
  return session;
}

}  // namespace pivot::client

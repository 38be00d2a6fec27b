// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_SESSION_H_
#define PIVOT_CLIENT_SESSION_H_

// The server that a command speaks to: one that runs somewhere, or a private one.

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "client/connection.h"
#include "client/private_server.h"
#include "client/temporary_folder.h"

namespace pivot::client {

class Session {
 public:
  static absl::StatusOr<std::unique_ptr<Session>> Remote(const ServerAddress& server);

  /// With a private server. One that another client left in the same folder and that is about to end is waited for.
  static absl::StatusOr<std::unique_ptr<Session>> Private(const PrivateServerOptions& options);

  /// With a private server whose data lie in a new folder of `parent`, removed with the session.
  static absl::StatusOr<std::unique_ptr<Session>> Temporary(PrivateServerOptions options, const std::string& parent);

  const Connection& connection() const { return connection_; }
  bool is_private() const { return server_ != nullptr; }

  /// Not OK when the server was private and has died.
  absl::Status CheckAlive() { return server_ == nullptr ? absl::OkStatus() : server_->CheckAlive(); }

 private:
  Session() = default;

  std::unique_ptr<ScopedFolder> folder_;   // outlives the server in it
  std::unique_ptr<PrivateServer> server_;  // outlives the connection to it
  Connection connection_;
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_SESSION_H_

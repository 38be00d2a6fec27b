// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_CONNECTION_H_
#define PIVOT_CLIENT_CONNECTION_H_

// A server's address as channels to it, and what its answers mean.

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"

#include "client/server_address.h"

namespace pivot::client {

/// Copies share the channels; every function that takes one may be called from any thread.
struct Connection {
  std::string address;
  std::string token;  // shown with every call; empty: none
  std::shared_ptr<grpc::Channel> control;
  /// Files go over a channel of their own, so that a cancel never waits behind them.
  std::shared_ptr<grpc::Channel> data;
};

/// The address is unix:PATH or HOST:PORT, else kInvalidArgument; also the errors of MakeCredentials(). Connects with
/// the first call, not here.
absl::StatusOr<Connection> Connect(const ServerAddress& server);

/// To a private server, which asks nobody who he is: a Unix socket or a loopback address, without a token.
absl::StatusOr<Connection> Connect(const std::string& address);

/// Of every call, before it starts.
void ShowToken(const Connection& connection, grpc::ClientContext* context);

/// The status with the reason and field of its google.rpc details. Without a reason, UNAVAILABLE and DEADLINE_EXCEEDED
/// have the reason SERVER_UNREACHABLE and a message that names the address.
absl::Status FromGrpcStatus(const grpc::Status& status, absl::string_view address);

/// The error of a job.
absl::Status FromRpcStatus(const google::rpc::Status& status);

/// The delay that the server asked for before another try; zero when it named none.
absl::Duration RetryDelayOf(const absl::Status& status);

struct CallLimits {
  absl::Duration timeout = absl::Seconds(60);
  std::stop_token stop;
};

/// Makes one unary call: `call` gets a context that ends with the limits. Interrupted() when the stop token was used.
absl::Status MakeCall(const Connection& connection, const CallLimits& limits,
                      absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_CONNECTION_H_

// SPDX-License-Identifier: Apache-2.0
#include "client/connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/rpc/error_details.pb.h"

#include "client/backoff.h"
#include "client/credentials.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr absl::string_view kUnixPrefix = "unix:";
constexpr absl::string_view kRetryDelayUrl = "pivot/retry-delay";
constexpr char kUnreachable[] = "SERVER_UNREACHABLE";

// Manifests of very large models pass gRPC's 4 MiB.
constexpr int kMaxReceiveBytes = 64 << 20;

// Every unary method may be called twice: creation carries a request_id. Streams have loops of their own.
constexpr char kServiceConfig[] = R"json({
  "methodConfig": [{
    "name": [
      {"service": "pivot.v1.Jobs", "method": "CreateJob"}, {"service": "pivot.v1.Jobs", "method": "GetJob"},
      {"service": "pivot.v1.Jobs", "method": "ListJobs"}, {"service": "pivot.v1.Jobs", "method": "CancelJob"},
      {"service": "pivot.v1.Checkpoints", "method": "GetManifest"},
      {"service": "pivot.v1.Capabilities", "method": "GetCapabilities"}],
    "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.2s", "maxBackoff": "2s", "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"]}
  }]
})json";

bool IsHostAndPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  return colon != address.npos && colon > 0 && absl::SimpleAtoi(address.substr(colon + 1), &port) && port > 0 &&
         port < 65536 && !absl::StrContains(address, "/");
}

/// gRPC reads the target as a URI: what has a meaning there is written as %XX.
std::string EscapePath(absl::string_view path) {
  std::string escaped;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || absl::StrContains("/-._~", absl::string_view(&c, 1))) {
      escaped += c;
    } else {
      absl::StrAppend(&escaped, "%", absl::Hex(byte, absl::kZeroPad2));
    }
  }
  return escaped;
}

grpc::ChannelArguments Arguments(bool for_data) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  arguments.SetServiceConfigJSON(kServiceConfig);
  // A server counts pings that come more often than every 20 s as an attack.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  // To gRPC the first is how long an attempt may take: a handshake with TLS to another continent.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  // The address named is the one that is meant, whatever http_proxy says.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Without a pool of its own the second channel would share the first one's connection.
  if (for_data) arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
}

struct Details {
  std::string reason;
  std::string field;
  absl::Duration retry_delay = absl::ZeroDuration();
};

Details DetailsOf(const google::rpc::Status& status) {
  Details details;
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad_request;
  google::rpc::RetryInfo retry;
  for (const google::protobuf::Any& any : status.details()) {
    if (any.UnpackTo(&info)) details.reason = info.reason();
    if (any.UnpackTo(&bad_request) && bad_request.field_violations_size() > 0) {
      details.field = bad_request.field_violations(0).field();
    }
    if (any.UnpackTo(&retry)) {
      details.retry_delay =
          absl::Seconds(retry.retry_delay().seconds()) + absl::Nanoseconds(retry.retry_delay().nanos());
    }
  }
  return details;
}

absl::Status WithDetails(absl::Status status, const Details& details) {
  if (!details.reason.empty() || !details.field.empty()) {
    status = WithReason(status, details.reason.empty() ? ReasonOf(status) : details.reason, details.field);
  }
  if (details.retry_delay > absl::ZeroDuration()) {
    status.SetPayload(kRetryDelayUrl, absl::Cord(absl::FormatDuration(details.retry_delay)));
  }
  return status;
}

absl::StatusOr<std::string> TargetOf(const std::string& address) {
  std::string target = address;
  absl::string_view path = address;
  const bool is_unix = absl::ConsumePrefix(&path, kUnixPrefix);
  if (is_unix && !path.empty()) {
    target = absl::StrCat(kUnixPrefix, EscapePath(path));
  } else if (is_unix || !IsHostAndPort(address)) {
    return WithReason(absl::InvalidArgumentError(
                          absl::StrCat("\"", address, "\" is not a server's address: give HOST:PORT or ", "unix:PATH")),
                      "USAGE", "server");
  }
  return target;
}

absl::StatusOr<Connection> ConnectWith(const std::string& address, ClientCredentials shown) {
  PIVOT_ASSIGN_OR_RETURN(const std::string target, TargetOf(address));
  const auto credentials = std::move(shown.channel);
  return Connection{.address = address,
                    .token = std::move(shown.token),
                    .control = grpc::CreateCustomChannel(target, credentials, Arguments(/*for_data=*/false)),
                    .data = grpc::CreateCustomChannel(target, credentials, Arguments(/*for_data=*/true))};
}

}  // namespace

absl::StatusOr<Connection> Connect(const ServerAddress& server) {
  // A wrong address is told before what is wrong with the way to it.
  PIVOT_RETURN_IF_ERROR(TargetOf(server.address).status());
  PIVOT_ASSIGN_OR_RETURN(ClientCredentials credentials, MakeCredentials(server));
  return ConnectWith(server.address, std::move(credentials));
}

absl::StatusOr<Connection> Connect(const std::string& address) {
  return ConnectWith(address, {.channel = grpc::InsecureChannelCredentials()});
}

void ShowToken(const Connection& connection, grpc::ClientContext* context) {
  if (!connection.token.empty()) context->AddMetadata("authorization", absl::StrCat("Bearer ", connection.token));
}

absl::Status FromGrpcStatus(const grpc::Status& status, absl::string_view address) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  google::rpc::Status rich;
  Details details;
  if (rich.ParseFromString(status.error_details())) details = DetailsOf(rich);
  const bool no_answer = code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kDeadlineExceeded;
  if (!no_answer || !details.reason.empty()) {
    return WithDetails(absl::Status(code, std::string(status.error_message())), details);
  }
  return WithReason(
      absl::Status(code, absl::StrCat("the server at ", address, " does not answer (", status.error_message(),
                                      "): check that pivotd runs there and that the address is right")),
      kUnreachable);
}

absl::Status FromRpcStatus(const google::rpc::Status& status) {
  const bool known = status.code() > 0 && status.code() <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  const auto code = known ? static_cast<absl::StatusCode>(status.code()) : absl::StatusCode::kUnknown;
  return WithDetails(absl::Status(code, status.message()), DetailsOf(status));
}

absl::Duration RetryDelayOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryDelayUrl);
  absl::Duration delay;
  if (!payload.has_value() || !absl::ParseDuration(std::string(*payload), &delay)) return absl::ZeroDuration();
  return delay;
}

absl::Status MakeCall(const Connection& connection, const CallLimits& limits,
                      absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + limits.timeout));
  ShowToken(connection, &context);
  const std::stop_callback on_stop(limits.stop, [&context] { context.TryCancel(); });
  const grpc::Status status = call(&context);
  if (!status.ok() && limits.stop.stop_requested()) return Interrupted();
  // gRPC 1.51 ends what reaches it while it shuts down like this, and no handler has seen it.
  if (status.error_code() == grpc::StatusCode::CANCELLED)
    return FromGrpcStatus({grpc::StatusCode::UNAVAILABLE, "it is shutting down"}, connection.address);
  return FromGrpcStatus(status, connection.address);
}

}  // namespace pivot::client

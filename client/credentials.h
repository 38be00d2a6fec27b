// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_CREDENTIALS_H_
#define PIVOT_CLIENT_CREDENTIALS_H_

// How a server is spoken to: in TLS or not, with a token or without.

#include <grpcpp/security/credentials.h>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "client/server_address.h"

namespace pivot::client {

struct ClientCredentials {
  std::shared_ptr<grpc::ChannelCredentials> channel;
  std::string token;  // empty: none
};

/// "localhost:PORT", "127.x.y.z:PORT" or "[::1]:PORT".
bool IsLoopback(absl::string_view address);

/// TLS for every HOST:PORT but loopback, and for that too when a file for it is named: so no token travels in the
/// clear. Usage errors, and files that cannot be read.
absl::StatusOr<ClientCredentials> MakeCredentials(const ServerAddress& server);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_CREDENTIALS_H_

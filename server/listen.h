// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_LISTEN_H_
#define PIVOT_SERVER_LISTEN_H_

// Addresses that the server may listen on.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot {

struct ListenAddress {
  enum class Kind { kUnix, kIpv4, kIpv6 };
  Kind kind = Kind::kUnix;
  std::string host;  // "127.0.0.1", "::1"; empty for a Unix socket
  std::string path;  // absolute; empty for the others
  int port = 0;      // 0: the system chooses

  /// Whether nobody from elsewhere can reach it: a Unix socket or a loopback address.
  bool is_local() const;

  /// As clients write it, with the port that was bound.
  std::string Text(int bound_port) const;
};

/// "unix:PATH", "127.0.0.1:PORT", "localhost:PORT" (the same), "[::1]:PORT", or another numeric address of the machine;
/// else kInvalidArgument.
absl::StatusOr<ListenAddress> ParseListenAddress(absl::string_view text);

/// Whether the address can be bound: kFailedPrecondition when something is listening there, or says what else is in the
/// way. The socket file of a server that died is removed.
absl::Status CheckFree(const ListenAddress& address);

}  // namespace pivot

#endif  // PIVOT_SERVER_LISTEN_H_

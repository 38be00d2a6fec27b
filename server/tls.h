// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_TLS_H_
#define PIVOT_SERVER_TLS_H_

// The server's certificate, and those that it asks of clients.

#include <grpcpp/security/server_credentials.h>
#include <memory>
#include <string>

#include "absl/status/status.h"

namespace pivot {

/// PEM files.
struct TlsOptions {
  std::string certificate;  // with those that sign it, up to the root's
  std::string key;
  std::string client_ca;              // signs clients' certificates; empty: none are asked for
  unsigned int refresh_seconds = 10;  // how often the files are looked at

  bool is_on() const { return !certificate.empty() || !key.empty() || !client_ca.empty(); }
};

/// Whether the files are there, whole, and belong together; others must not read the key. kFailedPrecondition or
/// kInvalidArgument with what to do.
absl::Status CheckTls(const TlsOptions& options);

/// Takes up files that change, for the connections that come after. A client may do without a certificate; one that
/// shows one which client_ca has not signed is not let in.
std::shared_ptr<grpc::ServerCredentials> MakeTlsCredentials(const TlsOptions& options);

}  // namespace pivot

#endif  // PIVOT_SERVER_TLS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_IDENTITY_CREDENTIALS_H_
#define PIVOT_SERVER_IDENTITY_CREDENTIALS_H_

// What a call shows of who makes it.

#include <grpcpp/server_context.h>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot {

struct Credentials {
  enum class Token { kNone, kShown, kMalformed };
  Token token = Token::kNone;
  std::string token_sha256;  // the token itself is not kept
  bool has_certificate = false;
  /// "uri:..." and "dns:..." of a client certificate that TLS has verified, in this order.
  std::vector<std::string> certificate_names;
  std::string peer;  // the address, as gRPC writes it
};

/// Of the values of a call's "authorization" metadata: none, or one "Bearer TOKEN".
Credentials FromAuthorization(absl::Span<const absl::string_view> values);

Credentials CredentialsOf(const grpc::CallbackServerContext& context);

}  // namespace pivot

#endif  // PIVOT_SERVER_IDENTITY_CREDENTIALS_H_

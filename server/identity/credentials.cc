// SPDX-License-Identifier: Apache-2.0
#include "server/identity/credentials.h"

#include <algorithm>
#include <grpc/grpc_security_constants.h>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "proto/files/sha256.h"

namespace pivot {
namespace {

constexpr absl::string_view kScheme = "bearer ";

void AddNames(const grpc::AuthContext& context, const char* property, absl::string_view kind,
              std::vector<std::string>& names) {
  for (const grpc::string_ref& value : context.FindPropertyValues(property)) {
    names.push_back(absl::StrCat(kind, absl::string_view(value.data(), value.size())));
  }
}

}  // namespace

Credentials FromAuthorization(absl::Span<const absl::string_view> values) {
  Credentials credentials;
  if (values.empty()) return credentials;
  const absl::string_view token =
      absl::StripAsciiWhitespace(values[0].substr(std::min(kScheme.size(), values[0].size())));
  const bool well_formed = values.size() == 1 && absl::StartsWithIgnoreCase(values[0], kScheme) && !token.empty();
  credentials.token = well_formed ? Credentials::Token::kShown : Credentials::Token::kMalformed;
  if (well_formed) credentials.token_sha256 = Sha256Of(token);
  return credentials;
}

Credentials CredentialsOf(const grpc::CallbackServerContext& context) {
  std::vector<absl::string_view> values;
  const auto [begin, end] = context.client_metadata().equal_range("authorization");
  for (auto entry = begin; entry != end; ++entry) values.emplace_back(entry->second.data(), entry->second.size());
  Credentials credentials = FromAuthorization(values);
  credentials.peer = context.peer();
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  if (peer == nullptr) return credentials;
  credentials.has_certificate = !peer->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME).empty();
  AddNames(*peer, GRPC_PEER_URI_PROPERTY_NAME, "uri:", credentials.certificate_names);
  AddNames(*peer, GRPC_PEER_DNS_PROPERTY_NAME, "dns:", credentials.certificate_names);
  return credentials;
}

}  // namespace pivot

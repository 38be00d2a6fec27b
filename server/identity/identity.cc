// SPDX-License-Identifier: Apache-2.0
#include "server/identity/identity.h"

#include <utility>

#include "proto/status/status_macros.h"
#include "server/errors.h"

namespace pivot {

absl::StatusOr<std::unique_ptr<Identity>> Identity::Load(const std::string& path, std::function<absl::Time()> now) {
  std::unique_ptr<Identity> identity(new Identity(path, std::move(now)));
  PIVOT_RETURN_IF_ERROR(identity->Reload());
  return identity;
}

absl::Status Identity::Reload() {
  if (!asks()) return absl::OkStatus();
  PIVOT_ASSIGN_OR_RETURN(Roster read, Roster::Read(path_));
  auto roster = std::make_shared<const Roster>(std::move(read));
  const std::lock_guard lock(mutex_);
  roster_.swap(roster);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Identity::Identify(const Credentials& credentials) const {
  if (!asks()) return kLocalPrincipal;
  if (credentials.token == Credentials::Token::kMalformed) {
    return CredentialInvalid("the call's authorization is not one \"Bearer TOKEN\"");
  }
  if (credentials.token == Credentials::Token::kShown) {
    const std::shared_ptr<const Roster> now_valid = roster();
    const Roster::Token* token = now_valid->FindToken(credentials.token_sha256);
    if (token == nullptr) return CredentialInvalid("the server does not know this token");
    if (token->expires <= now_()) return CredentialExpired();
    return token->principal;
  }
  if (!credentials.certificate_names.empty()) return credentials.certificate_names[0];
  if (credentials.has_certificate) {
    return CredentialInvalid("the client's certificate names nobody: it needs a URI or DNS name as subjectAltName");
  }
  return CredentialMissing();
}

Reach Identity::ReachIn(absl::string_view principal, absl::string_view project, Verb verb) const {
  return asks() ? roster()->ReachIn(principal, project, verb) : Reach::kAll;
}

std::shared_ptr<const Roster> Identity::roster() const {
  const std::lock_guard lock(mutex_);
  return roster_;
}

}  // namespace pivot

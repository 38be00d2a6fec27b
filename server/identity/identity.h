// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_IDENTITY_IDENTITY_H_
#define PIVOT_SERVER_IDENTITY_IDENTITY_H_

// Who a caller is and what he may do, by the newest identity file that was whole.

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "server/identity/credentials.h"
#include "server/identity/role.h"
#include "server/identity/roster.h"

namespace pivot {

/// Whoever calls a server that asks nobody who he is.
inline constexpr char kLocalPrincipal[] = "local";

/// Every function may be called from any thread.
class Identity {
 public:
  /// Of the file; with an empty path everyone is kLocalPrincipal, who may do everything. Tokens end by `now`.
  static absl::StatusOr<std::unique_ptr<Identity>> Load(const std::string& path, std::function<absl::Time()> now);

  /// Reads the file again. When it cannot be used, what was read before stays.
  absl::Status Reload();

  /// False: everyone is kLocalPrincipal.
  bool asks() const { return !path_.empty(); }

  /// A token counts more than a certificate; of a certificate the first URI, else the first DNS name. kUnauthenticated
  /// CREDENTIAL_MISSING, CREDENTIAL_INVALID or CREDENTIAL_EXPIRED.
  absl::StatusOr<std::string> Identify(const Credentials& credentials) const;

  /// Roster::ReachIn().
  Reach ReachIn(absl::string_view principal, absl::string_view project, Verb verb) const;

 private:
  Identity(std::string path, std::function<absl::Time()> now) : path_(std::move(path)), now_(std::move(now)) {}

  std::shared_ptr<const Roster> roster() const;

  const std::string path_;
  const std::function<absl::Time()> now_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Roster> roster_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_IDENTITY_IDENTITY_H_

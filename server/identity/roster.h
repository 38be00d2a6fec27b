// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_IDENTITY_ROSTER_H_
#define PIVOT_SERVER_IDENTITY_ROSTER_H_

// Who has which tokens and which roles: the content of the file that --identity names. docs/identity.md describes it.

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"

#include "server/identity/role.h"

namespace pivot {

class Roster {
 public:
  struct Token {
    std::string sha256;  // of the whole token, lower-case hex
    std::string principal;
    absl::Time expires;  // InfiniteFuture: never
  };

  /// kInvalidArgument, naming the file and the entry at fault. Keys that it does not know are faults too: a misspelt
  /// one must not leave a token without its end.
  static absl::StatusOr<Roster> Parse(absl::string_view json, absl::string_view path);

  /// Reads a file that nobody but its owner, who is root or this process's user, can write; else kFailedPrecondition.
  static absl::StatusOr<Roster> Read(const std::string& path);

  /// Nothing when there is none, expired or not. Takes the same time whichever token it is, and how much of it is
  /// right.
  const Token* FindToken(absl::string_view sha256) const;

  /// Through the principal's own bindings and those of "*". An empty project stands for the one with the farthest
  /// reach.
  Reach ReachIn(absl::string_view principal, absl::string_view project, Verb verb) const;

 private:
  struct Grant {
    std::string project;  // "*": all
    Role role = Role::kViewer;
  };

  absl::Status AddTokens(const nlohmann::json& list, absl::string_view path);
  absl::Status AddBindings(const nlohmann::json& list, absl::string_view path);

  std::vector<Token> tokens_;
  absl::flat_hash_map<std::string, std::vector<Grant>> grants_;  // by principal
};

}  // namespace pivot

#endif  // PIVOT_SERVER_IDENTITY_ROSTER_H_

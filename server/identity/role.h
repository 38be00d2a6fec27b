// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_IDENTITY_ROLE_H_
#define PIVOT_SERVER_IDENTITY_ROLE_H_

// What the roles in a project may do.

#include <optional>

#include "absl/strings/string_view.h"

namespace pivot {

/// Each may do what those before it may.
enum class Role { kViewer, kSubmitter, kOperator, kAdmin };

enum class Verb {
  kRead,    // get, list, watch, logs, manifests, files
  kCreate,  // jobs
  kSteer,   // cancel, suspend, resume, retry, update
  kDelete,
};

/// Which jobs of a project.
enum class Reach { kNone, kOwn, kAll };

/// Viewers read, submitters also create jobs and steer and delete their own, operators steer all, admins delete all.
Reach ReachOf(Role role, Verb verb);

/// Of "viewer", "submitter", "operator" and "admin".
std::optional<Role> ParseRole(absl::string_view name);

/// "read", "create jobs", "change jobs", "delete jobs".
absl::string_view VerbText(Verb verb);

}  // namespace pivot

#endif  // PIVOT_SERVER_IDENTITY_ROLE_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_IDENTITY_ACCESS_H_
#define PIVOT_SERVER_IDENTITY_ACCESS_H_

// The one question that every call is asked first.

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "server/identity/credentials.h"
#include "server/identity/identity.h"
#include "server/identity/role.h"

namespace pivot {

struct Access {
  absl::Status status;    // OK: the call may go on
  std::string principal;  // empty when it is not known who calls
  std::string peer;       // the address, as gRPC writes it
  std::string resource;   // as the request names it, its first 512 bytes
  Verb verb = Verb::kRead;
  Reach reach = Reach::kNone;
};

/// `resource` is the name in the request: its project decides, whether there is such a resource or not. A name without
/// a project denotes nothing; it passes whoever may do this anywhere, for the handler to refuse. kUnauthenticated as
/// Identity::Identify(), kPermissionDenied ACCESS_DENIED. With Reach::kOwn the handler checks who created the job.
Access Authorize(const Identity& identity, const Credentials& credentials, Verb verb, absl::string_view resource);

/// Whether the caller of another call may read this resource, too.
bool MayRead(const Identity& identity, const Access& access, absl::string_view resource);

/// For a job by this principal. OK, or ACCESS_DENIED.
absl::Status CheckCreator(const Access& access, absl::string_view creator);

}  // namespace pivot

#endif  // PIVOT_SERVER_IDENTITY_ACCESS_H_

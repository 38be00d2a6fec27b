// SPDX-License-Identifier: Apache-2.0
#include "server/identity/access.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "server/convert.h"
#include "server/errors.h"
#include "server/names.h"

namespace pivot {
namespace {

constexpr size_t kMaxResourceBytes = 512;

/// As the parsers of names find it; empty where they find none.
absl::string_view ProjectOf(absl::string_view resource) {
  const std::vector<absl::string_view> parts = absl::StrSplit(resource, absl::MaxSplits('/', 2));
  return parts.size() >= 2 && parts[0] == "projects" && IsResourceId(parts[1]) ? parts[1] : absl::string_view();
}

}  // namespace

Access Authorize(const Identity& identity, const Credentials& credentials, Verb verb, absl::string_view resource) {
  Access access{.peer = credentials.peer, .resource = Utf8Head(resource, kMaxResourceBytes), .verb = verb};
  auto principal = identity.Identify(credentials);
  access.status = principal.status();
  if (!principal.ok()) return access;
  access.principal = *std::move(principal);
  const absl::string_view project = ProjectOf(resource);
  access.reach = identity.ReachIn(access.principal, project, verb);
  if (access.reach == Reach::kNone) {
    access.status = AccessDenied(absl::StrCat(access.principal, " may not ", VerbText(verb),
                                              project.empty() ? "" : absl::StrCat(" in projects/", project)));
  }
  return access;
}

bool MayRead(const Identity& identity, const Access& access, absl::string_view resource) {
  return identity.ReachIn(access.principal, ProjectOf(resource), Verb::kRead) != Reach::kNone;
}

absl::Status CheckCreator(const Access& access, absl::string_view creator) {
  if (access.reach == Reach::kAll || (access.reach == Reach::kOwn && access.principal == creator)) {
    return absl::OkStatus();
  }
  return AccessDenied(absl::StrCat(access.principal, " may not ", VerbText(access.verb), " of others"));
}

}  // namespace pivot

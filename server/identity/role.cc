// SPDX-License-Identifier: Apache-2.0
#include "server/identity/role.h"

namespace pivot {

Reach ReachOf(Role role, Verb verb) {
  switch (verb) {
    case Verb::kRead:
      return Reach::kAll;
    case Verb::kCreate:
      return role >= Role::kSubmitter ? Reach::kAll : Reach::kNone;
    case Verb::kSteer:
      if (role >= Role::kOperator) return Reach::kAll;
      return role == Role::kSubmitter ? Reach::kOwn : Reach::kNone;
    case Verb::kDelete:
      if (role == Role::kAdmin) return Reach::kAll;
      return role >= Role::kSubmitter ? Reach::kOwn : Reach::kNone;
  }
  return Reach::kNone;
}

std::optional<Role> ParseRole(absl::string_view name) {
  if (name == "viewer") return Role::kViewer;
  if (name == "submitter") return Role::kSubmitter;
  if (name == "operator") return Role::kOperator;
  if (name == "admin") return Role::kAdmin;
  return std::nullopt;
}

absl::string_view VerbText(Verb verb) {
  switch (verb) {
    case Verb::kRead:
      return "read";
    case Verb::kCreate:
      return "create jobs";
    case Verb::kSteer:
      return "change jobs";
    case Verb::kDelete:
      return "delete jobs";
  }
  return "";
}

}  // namespace pivot

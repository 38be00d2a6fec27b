// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_MODULE_PATTERN_H_
#define PIVOT_ENGINE_PLAN_MODULE_PATTERN_H_

// What a plan file calls modules by.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// PCRE2's own name, so that its header stays out of this one.
struct pcre2_real_code_8;

namespace pivot {

/// Either a glob, which has to match the whole name ("*" any run of characters, dots too, "?" any one, "[0-3]" and
/// "[!0-3]" one of a set; there is no escape, no module's name has these), or "re:" and an expression in PCRE2's syntax
/// that has to match from the name's first character on, as in compressed-tensors.
class ModulePattern {
 public:
  /// kInvalidArgument, saying why, for one that is empty, longer than 1,000 bytes or malformed.
  static absl::StatusOr<ModulePattern> Parse(absl::string_view text);

  /// kInvalidArgument for an expression that takes more steps than one for a module's name has a use for.
  absl::StatusOr<bool> Matches(absl::string_view module) const;

 private:
  std::string glob_;                               // when there is no expression
  std::shared_ptr<const pcre2_real_code_8> code_;  // null: a glob
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_MODULE_PATTERN_H_

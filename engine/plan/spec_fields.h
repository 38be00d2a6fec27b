// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_SPEC_FIELDS_H_
#define PIVOT_ENGINE_PLAN_SPEC_FIELDS_H_

// What the parts of a compress task say of a field that is wrong.

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

#include "proto/status/reason.h"

namespace pivot {

inline absl::Status InvalidSpec(absl::string_view field, absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat(field, " ", problem)), "INVALID_SPEC",
                    absl::StrCat("job.spec.compress.", field));
}

/// The enum value whose name is given; "unspecified" and absence mean the fallback.
template <typename Enum, size_t N>
absl::StatusOr<Enum> ParseName(const std::optional<std::string>& name, const std::array<absl::string_view, N>& names,
                               Enum fallback, absl::string_view field) {
  if (!name.has_value() || *name == "unspecified") return fallback;
  const auto found = std::find(names.begin(), names.end(), *name);
  if (found == names.end()) {
    return InvalidSpec(field, absl::StrCat("is \"", *name, "\"; allowed: ", absl::StrJoin(names, ", ")));
  }
  return static_cast<Enum>(found - names.begin());
}

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_SPEC_FIELDS_H_

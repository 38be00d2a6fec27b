// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_FILES_BOUNDED_JSON_H_
#define PIVOT_PROTO_FILES_BOUNDED_JSON_H_

// JSON that somebody else wrote, parsed within limits.

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace pivot {

/// The document. kInvalidArgument, naming `what`, when it is not JSON, is nested deeper than 64, has more than
/// 2^25 values, or an object has the same key twice. Never throws.
absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text, absl::string_view what);

/// The same, members in the order they come in. Also kInvalidArgument for an object with more than 1024 members.
absl::StatusOr<nlohmann::ordered_json> ParseOrderedJson(absl::string_view text, absl::string_view what);

}  // namespace pivot

#endif  // PIVOT_PROTO_FILES_BOUNDED_JSON_H_

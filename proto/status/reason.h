// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_STATUS_REASON_H_
#define PIVOT_PROTO_STATUS_REASON_H_

// What an absl::Status of ours carries besides code and message, and its JSON form between processes.

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace pivot {

/// `status` with a stable reason in UPPER_SNAKE ("UNSUPPORTED_ARCHITECTURE"), which clients may branch on, and, if the
/// fault lies in one field of the request, that field's path ("spec.compress.group_size"). OK stays OK.
absl::Status WithReason(absl::Status status, absl::string_view reason, absl::string_view field = "");

/// The reason given, or one that follows from the code ("INTERNAL").
std::string ReasonOf(const absl::Status& status);

/// The field given, or "".
std::string FieldOf(const absl::Status& status);

/// {"code": "INVALID_ARGUMENT", "reason", "field", "message"}; the message is cut to 4 KiB.
nlohmann::json StatusToJson(const absl::Status& status);

/// The status that such an object describes; an object that makes no sense gives kInternal. Never OK.
absl::Status StatusFromJson(const nlohmann::json& json);

/// "INVALID_ARGUMENT" for absl::StatusCode::kInvalidArgument.
std::string CodeName(absl::StatusCode code);

}  // namespace pivot

#endif  // PIVOT_PROTO_STATUS_REASON_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_JSON_H_
#define PIVOT_PROTO_JSON_H_

// The JSON form of the API's messages: worker frames, `--json` output and pivot-probe's answers have it.
//
// Names are the proto's snake_case names. Enum values are lower case without their type's prefix ("queued"), 64-bit
// integers are numbers, bytes are base64, Timestamp is RFC 3339, Duration is seconds. A scalar without presence is
// always written, a message, optional or oneof member only when it is set.

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "nlohmann/json_fwd.hpp"

namespace pivot {

nlohmann::json ToJson(const google::protobuf::Message& message);

/// Merges a JSON object into `message`. Unknown names are ignored, so that an older reader understands a newer writer.
/// kInvalidArgument names the field when a value has the wrong type or range, or an enum value is unknown.
absl::Status FromJson(const nlohmann::json& json, google::protobuf::Message* message);

}  // namespace pivot

#endif  // PIVOT_PROTO_JSON_H_

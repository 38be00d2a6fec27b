// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_TOKENIZER_COMPONENT_H_
#define PIVOT_ENGINE_MODEL_TOKENIZER_COMPONENT_H_

// Reads the parts of a tokenizer.json, and says what is wrong with them.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace pivot::tokenizer {

/// Ids are below this, so that a file of a few bytes cannot ask for tables of gigabytes. The largest vocabularies known
/// have a sixteenth of it.
inline constexpr int64_t kMaxTokenIds = 16'777'216;

/// kInvalidArgument: the file breaks its format. "tokenizer.json: " and the message.
absl::Status Malformed(absl::string_view message);

/// kFailedPrecondition with reason UNSUPPORTED_TOKENIZER: the file is right, but this library lacks what it asks for.
/// "tokenizer.json: ", the component and " is not supported".
absl::Status Unsupported(absl::string_view component);

/// "the text", cut after 80 bytes: for messages.
std::string Quoted(absl::string_view text);

/// The member, or null if it is absent, is JSON's null, or `object` is not an object.
const nlohmann::json* FindMember(const nlohmann::json& object, absl::string_view name);

/// Members that must be there; `what` names the object in the message.
absl::StatusOr<bool> ReadBoolean(const nlohmann::json& object, absl::string_view name, absl::string_view what);
absl::StatusOr<std::string> ReadText(const nlohmann::json& object, absl::string_view name, absl::string_view what);
absl::StatusOr<const nlohmann::json*> ReadArray(const nlohmann::json& object, absl::string_view name,
                                                absl::string_view what);

/// The number as a token's id. Fails if it is not a whole number in [0, kMaxTokenIds).
absl::StatusOr<int32_t> ReadTokenId(const nlohmann::json& value, absl::string_view what);

/// The member "type" of a component; `what` is its place in the file ("pre_tokenizer").
absl::StatusOr<std::string> ReadType(const nlohmann::json& component, absl::string_view what);

}  // namespace pivot::tokenizer

#endif  // PIVOT_ENGINE_MODEL_TOKENIZER_COMPONENT_H_

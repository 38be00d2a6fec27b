// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_TEXT_JSON_FACTS_H_
#define PIVOT_PROTO_TEXT_JSON_FACTS_H_

// Reading JSON whose keys may be absent or of another type: what is not there is not shown.

#include <optional>
#include <string>

#include "nlohmann/json_fwd.hpp"

namespace pivot {

/// Printable text of a string, "" of anything else.
std::string TextOf(const nlohmann::json& value);
std::string TextAt(const nlohmann::json& object, const char* key);

std::optional<double> NumberAt(const nlohmann::json& object, const char* key);

/// A whole number with thousands separated, "" when it is not one.
std::string CountAt(const nlohmann::json& object, const char* key);

/// The array or object there, else an empty one.
const nlohmann::json& ListAt(const nlohmann::json& object, const char* key);
const nlohmann::json& ObjectAt(const nlohmann::json& object, const char* key);

}  // namespace pivot

#endif  // PIVOT_PROTO_TEXT_JSON_FACTS_H_

// SPDX-License-Identifier: Apache-2.0
#include "proto/text/json_facts.h"

#include <cstdint>

#include "nlohmann/json.hpp"

#include "proto/text/quantity.h"

namespace pivot {
namespace {

using nlohmann::json;

const json* Find(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

}  // namespace

std::string TextOf(const json& value) {
  return value.is_string() ? Printable(value.get_ref<const std::string&>()) : std::string();
}

std::string TextAt(const json& object, const char* key) {
  const json* value = Find(object, key);
  return value == nullptr ? "" : TextOf(*value);
}

std::optional<double> NumberAt(const json& object, const char* key) {
  const json* value = Find(object, key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->get<double>();
}

std::string CountAt(const json& object, const char* key) {
  const json* value = Find(object, key);
  return value != nullptr && value->is_number_integer() ? FormatCount(value->get<int64_t>()) : "";
}

const json& ListAt(const json& object, const char* key) {
  static const json* const empty = new json(json::array());
  const json* value = Find(object, key);
  return value != nullptr && value->is_array() ? *value : *empty;
}

const json& ObjectAt(const json& object, const char* key) {
  static const json* const empty = new json(json::object());
  const json* value = Find(object, key);
  return value != nullptr && value->is_object() ? *value : *empty;
}

}  // namespace pivot

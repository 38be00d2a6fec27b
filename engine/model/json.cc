// SPDX-License-Identifier: Apache-2.0
#include "engine/model/json.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace pivot {

using nlohmann::json;

JsonFields::JsonFields(const json& object, absl::string_view what) : object_(object), what_(what) {
  if (!object.is_object()) status_ = absl::InvalidArgumentError(absl::StrCat(what, " is not a JSON object"));
}

const json* JsonFields::Find(absl::string_view name) {
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void JsonFields::Fault(absl::string_view name, absl::string_view problem) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(what_, ": \"", name, "\" ", problem));
}

int64_t JsonFields::Integer(absl::string_view name) {
  const auto value = OptionalInteger(name);
  if (!value.has_value()) Fault(name, "is missing");
  return value.value_or(0);
}

double JsonFields::Number(absl::string_view name) {
  const auto value = OptionalNumber(name);
  if (!value.has_value()) Fault(name, "is missing");
  return value.value_or(0.0);
}

std::string JsonFields::Text(absl::string_view name) {
  auto value = OptionalText(name);
  if (!value.has_value()) Fault(name, "is missing");
  return std::move(value).value_or("");
}

std::optional<int64_t> JsonFields::OptionalInteger(absl::string_view name) {
  const json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer()) {
    Fault(name, "is not a whole number");
    return std::nullopt;
  }
  if (value->is_number_unsigned() && !std::in_range<int64_t>(value->get<uint64_t>())) {
    Fault(name, "is too large");
    return std::nullopt;
  }
  return value->get<int64_t>();
}

std::optional<double> JsonFields::OptionalNumber(absl::string_view name) {
  const json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) {
    Fault(name, "is not a number");
    return std::nullopt;
  }
  return value->get<double>();
}

std::optional<std::string> JsonFields::OptionalText(absl::string_view name) {
  const json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    Fault(name, "is not a string");
    return std::nullopt;
  }
  return value->get<std::string>();
}

std::optional<bool> JsonFields::OptionalBoolean(absl::string_view name) {
  const json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) {
    Fault(name, "is not true or false");
    return std::nullopt;
  }
  return value->get<bool>();
}

const json* JsonFields::OptionalObject(absl::string_view name) {
  const json* value = Find(name);
  if (value != nullptr && !value->is_object()) {
    Fault(name, "is not an object");
    return nullptr;
  }
  return value;
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "engine/model/json.h"

#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 64;

/// Sees every event of the parser and stops it at the first fault: counts depth and remembers the keys of the objects
/// that are open. (A callback of json::parse could do the same, but makes the parser quadratic in the members of an
/// object.)
class Inspector : public nlohmann::json_sax<json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(int64_t /*value*/) override { return true; }
  bool number_unsigned(uint64_t /*value*/) override { return true; }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return true; }
  bool string(std::string& /*value*/) override { return true; }
  bool binary(json::binary_t& /*value*/) override { return true; }
  bool start_object(size_t /*size*/) override { return Enter(); }
  bool start_array(size_t /*size*/) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool end_array() override { return Leave(); }
  bool key(std::string& key) override {
    if (!keys_.back().insert(key).second) fault_ = absl::StrCat("has the key \"", key, "\" twice");
    return fault_.empty();
  }
  bool parse_error(size_t /*position*/, const std::string& /*token*/, const json::exception& /*error*/) override {
    fault_ = "is not valid JSON";
    return false;
  }

  const std::string& fault() const { return fault_; }

 private:
  bool Enter() {
    keys_.emplace_back();
    if (keys_.size() > kMaxDepth) fault_ = absl::StrCat("is nested deeper than ", kMaxDepth);
    return fault_.empty();
  }
  bool Leave() {
    keys_.pop_back();
    return true;
  }

  std::vector<absl::flat_hash_set<std::string>> keys_;  // of an array: none
  std::string fault_;
};

}  // namespace

absl::StatusOr<json> ParseJson(absl::string_view text, absl::string_view what) {
  // The parser takes a NUL for the end and would not see what comes after it.
  if (text.find('\0') != text.npos) return absl::InvalidArgumentError(absl::StrCat(what, " is not valid JSON"));
  Inspector inspector;
  if (!json::sax_parse(text.begin(), text.end(), &inspector)) {
    return absl::InvalidArgumentError(absl::StrCat(what, " ", inspector.fault()));
  }
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

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

// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/value.h"

#include <algorithm>
#include <utility>

namespace pivot::chat {
namespace {

// Fewer are found faster without a table.
constexpr size_t kManyItems = 12;

int DeepestOf(const std::vector<Value>& items) {
  int deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.depth());
  return deepest;
}

bool AreEqualLists(const std::vector<Value>& a, const std::vector<Value>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), AreEqual);
}

bool AreEqualDicts(const Dict& a, const Dict& b) {
  return a.size() == b.size() && std::all_of(a.items().begin(), a.items().end(), [&b](const auto& item) {
           const Value* other = b.Find(item.first);
           return other != nullptr && AreEqual(item.second, *other);
         });
}

std::optional<bool> IsLessList(const std::vector<Value>& a, const std::vector<Value>& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (!AreEqual(a[i], b[i])) return IsLess(a[i], b[i]);
  }
  return a.size() < b.size();
}

}  // namespace

std::optional<size_t> Dict::PlaceOf(absl::string_view key) const {
  if (!places_.empty()) {
    const auto found = places_.find(key);
    return found == places_.end() ? std::nullopt : std::optional<size_t>(found->second);
  }
  for (size_t place = 0; place < items_.size(); ++place) {
    if (items_[place].first == key) return place;
  }
  return std::nullopt;
}

size_t Dict::size() const { return items_.size(); }

const Value* Dict::Find(absl::string_view key) const {
  const std::optional<size_t> place = PlaceOf(key);
  return place.has_value() ? &items_[*place].second : nullptr;
}

void Dict::Set(const std::string& key, Value value) {
  if (const std::optional<size_t> place = PlaceOf(key); place.has_value()) {
    items_[*place].second = std::move(value);
    return;
  }
  items_.emplace_back(key, std::move(value));
  if (items_.size() < kManyItems) return;
  for (size_t place = places_.size(); place < items_.size(); ++place) places_[items_[place].first] = place;
}

Value Value::ListOf(std::vector<Value> items) {
  const int depth = 1 + DeepestOf(items);
  return Value(Data(std::make_shared<const List>(List{std::move(items), depth})));
}

Value Value::TupleOf(std::vector<Value> items) {
  const int depth = 1 + DeepestOf(items);
  return Value(Data(std::make_shared<const Tuple>(Tuple{std::move(items), depth})));
}

Value Value::DictOf(Dict dict) {
  int depth = 0;
  for (const auto& item : dict.items()) depth = std::max(depth, item.second.depth());
  return Value(Data(std::make_shared<const Mapping>(Mapping{std::move(dict), depth + 1})));
}

Value Value::GeneratorOf(std::vector<Value> items, std::string fault) {
  return Value(Data(std::make_shared<Generator>(Generator{.items = std::move(items), .fault = std::move(fault)})));
}

int64_t Value::integer() const {
  return is_boolean() ? static_cast<int64_t>(std::get<bool>(data_)) : std::get<int64_t>(data_);
}

double Value::number() const { return is_float() ? std::get<double>(data_) : static_cast<double>(integer()); }

const std::vector<Value>& Value::items() const {
  return is_list() ? std::get<std::shared_ptr<const List>>(data_)->items
                   : std::get<std::shared_ptr<const Tuple>>(data_)->items;
}

bool Value::is_true() const {
  if (is_undefined() || is_none()) return false;
  if (is_float()) return number() != 0;
  if (is_integer()) return integer() != 0;
  if (is_text()) return !text().empty();
  if (is_list() || is_tuple()) return !items().empty();
  if (is_dict()) return dict().size() > 0;
  return true;
}

int Value::depth() const {
  if (is_list()) return std::get<std::shared_ptr<const List>>(data_)->depth;
  if (is_tuple()) return std::get<std::shared_ptr<const Tuple>>(data_)->depth;
  if (is_dict()) return std::get<std::shared_ptr<const Mapping>>(data_)->depth;
  return 0;
}

const char* Value::type_name() const {
  // In the order of Data.
  constexpr const char* kNames[] = {"undefined", "None",  "bool", "int",       "float",     "str",
                                    "list",      "tuple", "dict", "generator", "namespace", "function"};
  return kNames[data_.index()];
}

bool AreEqual(const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.is_text() && b.is_text()) return a.text() == b.text();
  if ((a.is_list() && b.is_list()) || (a.is_tuple() && b.is_tuple())) return AreEqualLists(a.items(), b.items());
  if (a.is_dict() && b.is_dict()) return AreEqualDicts(a.dict(), b.dict());
  if (a.is_namespace() && b.is_namespace()) return &a.attributes() == &b.attributes();
  if (a.is_function() && b.is_function()) return &a.function() == &b.function();
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

std::optional<bool> IsLess(const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  // Code points are ordered as their bytes in UTF-8 are.
  if (a.is_text() && b.is_text()) return a.text() < b.text();
  if ((a.is_list() && b.is_list()) || (a.is_tuple() && b.is_tuple())) return IsLessList(a.items(), b.items());
  return std::nullopt;
}

Value FromJson(const nlohmann::ordered_json& json) {
  if (json.is_boolean()) return Value::Of(json.get<bool>());
  if (json.is_number_unsigned() && !std::in_range<int64_t>(json.get<uint64_t>())) return Value::Of(json.get<double>());
  if (json.is_number_integer()) return Value::Of(json.get<int64_t>());
  if (json.is_number()) return Value::Of(json.get<double>());
  if (json.is_string()) return Value::Of(json.get<std::string>());
  if (json.is_array()) {
    std::vector<Value> items;
    for (const auto& item : json) items.push_back(FromJson(item));
    return Value::ListOf(std::move(items));
  }
  if (!json.is_object()) return Value::OfNone();
  Dict dict;
  for (const auto& member : json.items()) dict.Set(member.key(), FromJson(member.value()));
  return Value::DictOf(std::move(dict));
}

}  // namespace pivot::chat

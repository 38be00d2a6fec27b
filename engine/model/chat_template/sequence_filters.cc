// SPDX-License-Identifier: Apache-2.0
// Filters over lists, dicts and what gives them.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "engine/model/chat_template/filters.h"
#include "engine/model/chat_template/operators.h"
#include "engine/model/chat_template/python_text.h"
#include "engine/model/chat_template/text_form.h"

namespace pivot::chat {
namespace {

using Arguments = std::vector<std::optional<Value>>;

bool IsTrue(const std::optional<Value>& value) { return value.has_value() && value->is_true(); }

/// The attribute that a path like "function.name" or "0.name" leads to.
Value Follow(Machine& machine, Value value, const Value& path) {
  if (path.is_integer()) return ItemOf(machine, value, path);
  if (!path.is_text()) return machine.Fail("an attribute's name is not a str");
  for (const absl::string_view part : absl::StrSplit(path.text(), '.')) {
    int64_t index = 0;
    const bool is_index = !part.empty() && absl::c_all_of(part, absl::ascii_isdigit) && absl::SimpleAtoi(part, &index);
    value = ItemOf(machine, value, is_index ? Value::Of(index) : Value::Of(part));
    if (!machine.ok()) return {};
  }
  return value;
}

/// What a comparison of texts without regard to case looks at.
Value WithoutCase(const Value& value) { return value.is_text() ? Value::Of(Lower(value.text())) : value; }

Value Join(Machine& machine, const Value& value, Call& call) {
  const Arguments arguments = Bind(machine, "join", std::move(call), {"d", "attribute"});
  const std::string separator = arguments[0].has_value() ? ToText(*arguments[0]) : "";
  const bool by_attribute = arguments[1].has_value() && !arguments[1]->is_none();
  std::string joined;
  bool is_first = true;
  for (const Value& item : Iterate(machine, value)) {
    if (!machine.ok()) return {};
    const std::string text = ToText(by_attribute ? Follow(machine, item, *arguments[1]) : item);
    if (!machine.SpendBytes(text.size() + separator.size())) return {};
    if (!std::exchange(is_first, false)) joined += separator;
    joined += text;
    if (joined.size() > (size_t{16} << 20) && !machine.SpendBytes(joined.size())) return {};
  }
  return Value::Of(std::move(joined));
}

Value FirstOrLast(Machine& machine, const Value& value, absl::string_view name) {
  if (name == "first" && value.is_generator()) {
    Generator& generator = value.generator();
    if (!generator.fault.empty()) return machine.Fail(generator.fault);
    return generator.next < generator.items.size() ? generator.items[generator.next++] : Value::OfName("first");
  }
  if (name == "last" && value.is_generator()) return machine.Fail("last of a generator");
  const std::vector<Value> items = Iterate(machine, value);
  if (items.empty()) return Value::OfName(std::string(name));
  return name == "first" ? items.front() : items.back();
}

Value Items(const Value& value) {
  std::vector<Value> items;
  if (!value.is_dict() && !value.is_undefined()) return Value::GeneratorOf({}, "items of what is no dict");
  if (value.is_dict()) {
    for (const auto& [key, item] : value.dict().items()) items.push_back(Value::TupleOf({Value::Of(key), item}));
  }
  return Value::GeneratorOf(std::move(items));
}

Value MapAttribute(Machine& machine, const Value& value, Call& call) {
  const Arguments arguments = Bind(machine, "map", std::move(call), {"attribute", "default"});
  if (!arguments[0].has_value()) return machine.Fail("map wants a filter or an attribute");
  std::vector<Value> mapped;
  for (const Value& item : Iterate(machine, value)) {
    if (!machine.ok()) return {};
    Value found = Follow(machine, item, *arguments[0]);
    if (found.is_undefined() && arguments[1].has_value()) found = *arguments[1];
    mapped.push_back(std::move(found));
  }
  return Value::GeneratorOf(std::move(mapped));
}

/// map("filter", arguments...), or map(attribute=...).
Value Map(Machine& machine, const Value& value, Call& call) {
  // Jinja asks what is false for nothing more, whatever it is.
  if (!value.is_true()) return Value::GeneratorOf({});
  if (call.positional.empty()) return MapAttribute(machine, value, call);
  if (!call.positional[0].is_text() || !IsFilterName(call.positional[0].text()))
    return machine.Fail("map wants the name of a filter");
  const std::string filter = call.positional[0].text();
  call.positional.erase(call.positional.begin());
  std::vector<Value> mapped;
  for (const Value& item : Iterate(machine, value)) {
    if (!machine.ok()) return {};
    mapped.push_back(ApplyFilter(machine, filter, item, call));
  }
  return Value::GeneratorOf(std::move(mapped));
}

/// select and reject ask the item, selectattr and rejectattr an attribute of it.
Value Select(Machine& machine, const Value& value, absl::string_view name, Call& call) {
  if (!value.is_true()) return Value::GeneratorOf({});
  Value attribute;
  const bool by_attribute = absl::EndsWith(name, "attr");
  if (by_attribute) {
    if (call.positional.empty()) return machine.Fail(absl::StrCat(name, " wants an attribute"));
    attribute = call.positional[0];
    call.positional.erase(call.positional.begin());
  }
  std::string test;
  if (!call.positional.empty()) {
    if (!call.positional[0].is_text() || !IsTestName(call.positional[0].text()))
      return machine.Fail(absl::StrCat(name, " wants the name of a test"));
    test = call.positional[0].text();
    call.positional.erase(call.positional.begin());
  }
  const bool wanted = absl::StartsWith(name, "select");
  std::vector<Value> selected;
  for (const Value& item : Iterate(machine, value)) {
    if (!machine.ok()) return {};
    const Value asked = by_attribute ? Follow(machine, item, attribute) : item;
    const bool holds = test.empty() ? asked.is_true() : ApplyTest(machine, test, asked, call);
    if (holds == wanted) selected.push_back(item);
  }
  return Value::GeneratorOf(std::move(selected));
}

Value Unique(Machine& machine, const Value& value, Call& call) {
  const Arguments arguments = Bind(machine, "unique", std::move(call), {"case_sensitive", "attribute"});
  std::vector<Value> seen;
  std::vector<Value> unique;
  for (const Value& item : Iterate(machine, value)) {
    const bool by_attribute = arguments[1].has_value() && !arguments[1]->is_none();
    Value key = by_attribute ? Follow(machine, item, *arguments[1]) : item;
    if (key.is_list() || key.is_dict()) return machine.Fail("unique of lists or dicts");
    if (!IsTrue(arguments[0])) key = WithoutCase(key);
    if (!machine.Spend(static_cast<int64_t>(seen.size()))) return {};
    if (std::any_of(seen.begin(), seen.end(), [&key](const Value& other) { return AreEqual(key, other); })) continue;
    seen.push_back(std::move(key));
    unique.push_back(item);
  }
  return Value::GeneratorOf(std::move(unique));
}

using Keyed = std::vector<std::pair<Value, Value>>;  // what is compared, and the item

/// Stable, as Python's sort; a fault for what cannot be compared.
std::vector<Value> Sorted(Machine& machine, Keyed keyed, bool backwards) {
  bool comparable = true;
  const auto is_less = [&comparable](const auto& a, const auto& b) {
    const std::optional<bool> less = IsLess(a.first, b.first);
    comparable = comparable && less.has_value();
    return less.value_or(false);
  };
  machine.Spend(static_cast<int64_t>(20 * keyed.size()));
  if (backwards) std::reverse(keyed.begin(), keyed.end());
  std::stable_sort(keyed.begin(), keyed.end(), is_less);
  if (backwards) std::reverse(keyed.begin(), keyed.end());
  if (!comparable) machine.Fail("values that cannot be compared are sorted");
  std::vector<Value> items;
  items.reserve(keyed.size());
  for (auto& entry : keyed) items.push_back(std::move(entry.second));
  return items;
}

Value Sort(Machine& machine, const Value& value, Call& call) {
  const Arguments arguments = Bind(machine, "sort", std::move(call), {"reverse", "case_sensitive", "attribute"});
  Keyed keyed;
  for (const Value& item : Iterate(machine, value)) {
    const bool by_attribute = arguments[2].has_value() && !arguments[2]->is_none();
    if (by_attribute && arguments[2]->is_text() && absl::StrContains(arguments[2]->text(), ','))
      return machine.Fail("sort by several attributes is not supported");
    const Value key = by_attribute ? Follow(machine, item, *arguments[2]) : item;
    keyed.emplace_back(IsTrue(arguments[1]) ? key : WithoutCase(key), item);
  }
  return Value::ListOf(Sorted(machine, std::move(keyed), IsTrue(arguments[0])));
}

Value DictSort(Machine& machine, const Value& value, Call& call) {
  const Arguments arguments = Bind(machine, "dictsort", std::move(call), {"case_sensitive", "by", "reverse"});
  if (!value.is_dict()) return machine.Fail("dictsort of what is no dict");
  const bool by_value = arguments[1].has_value() && AreEqual(*arguments[1], Value::Of("value"));
  if (!by_value && arguments[1].has_value() && !AreEqual(*arguments[1], Value::Of("key")))
    return machine.Fail("dictsort sorts by \"key\" or \"value\"");
  Keyed keyed;
  for (const auto& [key, item] : value.dict().items()) {
    const Value compared = by_value ? item : Value::Of(key);
    keyed.emplace_back(IsTrue(arguments[0]) ? compared : WithoutCase(compared), Value::TupleOf({Value::Of(key), item}));
  }
  return Value::ListOf(Sorted(machine, std::move(keyed), IsTrue(arguments[2])));
}

Value Reverse(Machine& machine, const Value& value) {
  std::vector<Value> items = Iterate(machine, value);
  std::reverse(items.begin(), items.end());
  if (value.is_generator()) return Value::ListOf(std::move(items));
  if (!value.is_text()) return Value::GeneratorOf(std::move(items));
  std::string text;
  for (const Value& character : items) text += character.text();
  return Value::Of(std::move(text));
}

/// Filters that give generators; nothing for other names.
std::optional<Value> MakeGenerator(Machine& machine, absl::string_view name, const Value& value, Call& call) {
  if (name == "map") return Map(machine, value, call);
  if (name == "unique") return Unique(machine, value, call);
  if (name != "select" && name != "reject" && name != "selectattr" && name != "rejectattr") return std::nullopt;
  return Select(machine, value, name, call);
}

}  // namespace

std::optional<Value> ApplySequenceFilter(Machine& machine, absl::string_view name, const Value& value, Call& call) {
  if (std::optional<Value> generator = MakeGenerator(machine, name, value, call); generator.has_value()) {
    // Jinja finds what is wrong when somebody goes through it.
    return machine.ok() ? *std::move(generator) : Value::GeneratorOf({}, machine.TakeFault());
  }
  if (name == "join") return Join(machine, value, call);
  if (name == "sort") return Sort(machine, value, call);
  if (name == "dictsort") return DictSort(machine, value, call);
  for (const absl::string_view plain : {"length", "count", "first", "last", "list", "items", "reverse"}) {
    if (name == plain) Bind(machine, name, call, {});
  }
  if (name == "length" || name == "count") return Value::Of(LengthOf(machine, value));
  if (name == "first" || name == "last") return FirstOrLast(machine, value, name);
  if (name == "list") return Value::ListOf(Iterate(machine, value));
  if (name == "items") return Items(value);
  if (name == "reverse") return Reverse(machine, value);
  return std::nullopt;
}

}  // namespace pivot::chat

// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/filters.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "engine/model/chat_template/operators.h"
#include "engine/model/chat_template/python_text.h"
#include "engine/model/chat_template/text_form.h"

namespace pivot::chat {
namespace {

using Arguments = std::vector<std::optional<Value>>;
constexpr int64_t kMaxIndent = 1000;

bool IsTrue(const std::optional<Value>& value) { return value.has_value() && value->is_true(); }

Value Default(Machine& machine, const Value& value, Call call) {
  const Arguments arguments = Bind(machine, "default", std::move(call), {"default_value", "boolean"});
  const bool is_missing = value.is_undefined() || (IsTrue(arguments[1]) && !value.is_true());
  return is_missing ? arguments[0].value_or(Value::Of("")) : value;
}

Value Trim(Machine& machine, const Value& value, Call call) {
  const Arguments arguments = Bind(machine, "trim", std::move(call), {"chars"});
  const std::string text = ToText(value);
  if (!arguments[0].has_value() || arguments[0]->is_none())
    return machine.Made(std::string(StripLeft(StripRight(text))));
  if (!arguments[0]->is_text()) return machine.Fail("trim wants a str of characters");
  const std::string& set = arguments[0]->text();
  return machine.Made(std::string(StripLeft(StripRight(text, set), set)));
}

/// Of words behind white space and ( { [ < -.
std::string TitleWords(absl::string_view text) {
  std::string title;
  bool begins_word = true;
  for (const absl::string_view character : CharactersOf(text)) {
    const bool separates = absl::StrContains("-({[<", character) || StripLeft(character).empty();
    absl::StrAppend(&title, begins_word ? Upper(character) : Lower(character));
    begins_word = separates;
  }
  return title;
}

Value ReplaceFilter(Machine& machine, const Value& value, Call call) {
  const Arguments arguments = Bind(machine, "replace", std::move(call), {"old", "new", "count"});
  if (!arguments[0].has_value() || !arguments[1].has_value()) return machine.Fail("replace wants two texts");
  const bool all = !arguments[2].has_value() || arguments[2]->is_none();
  if (!all && !arguments[2]->is_integer()) return machine.Fail("replace wants a number for its count");
  const std::string text = ToText(value);
  const std::string from = ToText(*arguments[0]);
  const std::string to = ToText(*arguments[1]);
  if (!machine.SpendBytes(text.size() + static_cast<size_t>(CountParts(text, from)) * to.size())) return {};
  return Value::Of(Replace(text, from, to, all ? -1 : arguments[2]->integer()));
}

Value Indent(Machine& machine, const Value& value, Call call) {
  const Arguments arguments = Bind(machine, "indent", std::move(call), {"width", "first", "blank"});
  const Value width = arguments[0].value_or(Value::Of(int64_t{4}));
  const bool fits = width.is_text() || (width.is_integer() && width.integer() <= kMaxIndent);
  if (!value.is_text() || !fits) return machine.Fail("indent wants a str and a width");
  const auto spaces = static_cast<size_t>(width.is_text() ? 0 : std::max<int64_t>(width.integer(), 0));
  const std::string indent = width.is_text() ? width.text() : std::string(spaces, ' ');
  const std::vector<std::string> lines = SplitLines(value.text() + "\n");
  if (!machine.SpendBytes(value.text().size() + lines.size() * indent.size())) return {};
  std::string text = IsTrue(arguments[1]) ? indent : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) absl::StrAppend(&text, "\n", lines[i].empty() && !IsTrue(arguments[2]) ? "" : indent);
    text += lines[i];
  }
  return Value::Of(std::move(text));
}

/// int(text, base), nothing where Python refuses.
std::optional<int64_t> ParseInteger(absl::string_view text, int64_t base) {
  text = StripLeft(StripRight(text));
  int64_t integer = 0;
  if (base == 10 && absl::SimpleAtoi(text, &integer)) return integer;
  return std::nullopt;
}

Value ToInteger(Machine& machine, const Value& value, Call call) {
  const Arguments arguments = Bind(machine, "int", std::move(call), {"default", "base"});
  const int64_t base = arguments[1].has_value() && arguments[1]->is_integer() ? arguments[1]->integer() : 10;
  if (base != 10) return machine.Fail("int with another base than 10 is not supported");
  if (value.is_undefined()) return machine.Fail(absl::StrCat("\"", value.name(), "\" is undefined"));
  const Value fallback = arguments[0].value_or(Value::Of(int64_t{0}));
  double number = 0;
  if (value.is_text()) {
    if (const auto integer = ParseInteger(value.text(), base); integer.has_value()) return Value::Of(*integer);
    if (!absl::SimpleAtod(StripLeft(StripRight(value.text())), &number)) return fallback;
  } else if (value.is_integer()) {
    return Value::Of(value.integer());
  } else if (value.is_float()) {
    number = value.number();
  } else {
    return fallback;
  }
  if (!std::isfinite(number)) return fallback;
  if (std::abs(number) >= 9.2e18) return machine.Fail("an integer of more than 64 bits is not supported");
  return Value::Of(static_cast<int64_t>(number));
}

Value ToFloat(Machine& machine, const Value& value, Call call) {
  const Arguments arguments = Bind(machine, "float", std::move(call), {"default"});
  if (value.is_undefined()) return machine.Fail(absl::StrCat("\"", value.name(), "\" is undefined"));
  double number = 0;
  if (value.is_number()) return Value::Of(value.number());
  if (value.is_text() && absl::SimpleAtod(StripLeft(StripRight(value.text())), &number)) return Value::Of(number);
  return arguments[0].value_or(Value::Of(0.0));
}

Value ToJsonFilter(Machine& machine, const Value& value, Call call) {
  const Arguments arguments =
      Bind(machine, "tojson", std::move(call), {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonForm form{.ascii = IsTrue(arguments[0]), .sorts_keys = IsTrue(arguments[3])};
  if (arguments[1].has_value() && !arguments[1]->is_none()) {
    const Value& indent = *arguments[1];
    if (!indent.is_text() && !(indent.is_integer() && indent.integer() <= kMaxIndent))
      return machine.Fail("tojson wants a number or a str for its indent");
    form.indent = indent.is_text() ? indent.text()
                                   : std::string(static_cast<size_t>(std::max<int64_t>(indent.integer(), 0)), ' ');
    form.item_separator = std::string(1, ',');
  }
  if (arguments[2].has_value() && !arguments[2]->is_none()) {
    const std::vector<Value> parts = Iterate(machine, *arguments[2]);
    if (parts.size() != 2 || !parts[0].is_text() || !parts[1].is_text())
      return machine.Fail("tojson wants two strs for its separators");
    form.item_separator = parts[0].text();
    form.key_separator = parts[1].text();
  }
  std::optional<std::string> json = ToJson(value, form);
  if (!json.has_value()) return machine.Fail(absl::StrCat("a value of type ", value.type_name(), " is not JSON"));
  return machine.Made(*std::move(json));
}

Value WithoutArguments(Machine& machine, absl::string_view name, const Value& value, Call call) {
  Bind(machine, name, std::move(call), {});
  const std::string text = ToText(value);
  if (name == "string" || name == "safe") return machine.Made(text);
  if (name == "upper") return machine.Made(Upper(text));
  if (name == "lower") return machine.Made(Lower(text));
  if (name == "capitalize") return machine.Made(Capitalize(text));
  return machine.Made(TitleWords(text));
}

Value Absolute(Machine& machine, const Value& value) {
  if (value.is_float()) return Value::Of(std::abs(value.number()));
  if (!value.is_integer()) return machine.Fail(absl::StrCat("abs of a value of type ", value.type_name()));
  return value.integer() < 0 ? Signed(machine, "-", value) : Value::Of(value.integer());
}

// Filters and tests that Jinja 3.1 has; those that ApplyFilter and ApplyTest do not know among them are refused when
// they are reached.
constexpr absl::string_view kFilterNames[] = {
    "abs",    "attr",       "batch",       "capitalize", "center",   "count",
    "d",      "default",    "dictsort",    "e",          "escape",   "filesizeformat",
    "first",  "float",      "forceescape", "format",     "groupby",  "indent",
    "int",    "items",      "join",        "last",       "length",   "list",
    "lower",  "map",        "max",         "min",        "pprint",   "random",
    "reject", "rejectattr", "replace",     "reverse",    "round",    "safe",
    "select", "selectattr", "slice",       "sort",       "string",   "striptags",
    "sum",    "title",      "tojson",      "trim",       "truncate", "unique",
    "upper",  "urlencode",  "urlize",      "wordcount",  "wordwrap", "xmlattr"};
constexpr absl::string_view kTestNames[] = {
    "!=",       "<",           "<=",          "==",      ">",       ">=",        "boolean",  "callable",
    "defined",  "divisibleby", "eq",          "equalto", "escaped", "even",      "false",    "filter",
    "float",    "ge",          "greaterthan", "gt",      "in",      "integer",   "iterable", "le",
    "lessthan", "lower",       "lt",          "mapping", "ne",      "none",      "number",   "odd",
    "sameas",   "sequence",    "string",      "test",    "true",    "undefined", "upper"};

}  // namespace

Value ApplyFilter(Machine& machine, absl::string_view name, const Value& value, Call call) {
  if (!machine.ok()) return {};
  if (name == "default" || name == "d") return Default(machine, value, std::move(call));
  if (name == "trim") return Trim(machine, value, std::move(call));
  if (name == "replace") return ReplaceFilter(machine, value, std::move(call));
  if (name == "indent") return Indent(machine, value, std::move(call));
  if (name == "int") return ToInteger(machine, value, std::move(call));
  if (name == "float") return ToFloat(machine, value, std::move(call));
  if (name == "tojson") return ToJsonFilter(machine, value, std::move(call));
  if (name == "abs") return Absolute(machine, value);
  for (const absl::string_view plain : {"string", "safe", "upper", "lower", "capitalize", "title"}) {
    if (name == plain) return WithoutArguments(machine, name, value, std::move(call));
  }
  std::optional<Value> result = ApplySequenceFilter(machine, name, value, call);
  if (result.has_value()) return *std::move(result);
  return machine.Fail(IsFilterName(name) ? absl::StrCat("the filter ", name, " is not supported")
                                         : absl::StrCat("there is no filter ", name));
}

bool IsFilterName(absl::string_view name) {
  return std::find(std::begin(kFilterNames), std::end(kFilterNames), name) != std::end(kFilterNames);
}

bool IsTestName(absl::string_view name) {
  return std::find(std::begin(kTestNames), std::end(kTestNames), name) != std::end(kTestNames);
}

}  // namespace pivot::chat

// SPDX-License-Identifier: Apache-2.0
// value is name(argument).
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/chat_template/filters.h"
#include "engine/model/chat_template/operators.h"
#include "engine/model/chat_template/python_text.h"
#include "engine/model/chat_template/text_form.h"

namespace pivot::chat {
namespace {

bool IsSized(const Value& value) {
  return value.is_text() || value.is_list() || value.is_tuple() || value.is_dict() || value.is_undefined();
}

/// Tests of the value alone.
std::optional<bool> TestAlone(absl::string_view name, const Value& value) {
  if (name == "defined") return !value.is_undefined();
  if (name == "undefined") return value.is_undefined();
  if (name == "none") return value.is_none();
  if (name == "boolean") return value.is_boolean();
  if (name == "true") return value.is_boolean() && value.is_true();
  if (name == "false") return value.is_boolean() && !value.is_true();
  if (name == "integer") return value.is_integer() && !value.is_boolean();
  if (name == "float") return value.is_float();
  if (name == "number") return value.is_number();
  if (name == "string") return value.is_text();
  if (name == "mapping") return value.is_dict();
  if (name == "sequence") return IsSized(value);
  if (name == "iterable") return IsSized(value) || value.is_generator();
  if (name == "callable") return value.is_function();
  if (name == "upper") return AllAre(ToText(value), CharacterTest::kUpper);
  if (name == "lower") return AllAre(ToText(value), CharacterTest::kLower);
  return std::nullopt;
}

/// The operator that a test with one argument stands for; empty when it is none.
absl::string_view OperatorOf(absl::string_view name) {
  constexpr std::pair<absl::string_view, absl::string_view> kOperators[] = {
      {"==", "=="},         {"eq", "=="},      {"equalto", "=="}, {"!=", "!="}, {"ne", "!="}, {"<", "<"},
      {"lt", "<"},          {"lessthan", "<"}, {"<=", "<="},      {"le", "<="}, {">", ">"},   {"gt", ">"},
      {"greaterthan", ">"}, {">=", ">="},      {"ge", ">="},      {"in", "in"}};
  for (const auto& [test, symbol] : kOperators) {
    if (test == name) return symbol;
  }
  return "";
}

}  // namespace

bool ApplyTest(Machine& machine, absl::string_view name, const Value& value, Call call) {
  if (!machine.ok()) return false;
  if (const std::optional<bool> alone = TestAlone(name, value); alone.has_value()) {
    Bind(machine, name, std::move(call), {});
    return *alone;
  }
  if (name == "odd" || name == "even") {
    Bind(machine, name, std::move(call), {});
    const Value rest = Calculate(machine, "%", value, Value::Of(int64_t{2}));
    return AreEqual(rest, Value::Of(int64_t{name == "odd" ? 1 : 0}));
  }
  const absl::string_view symbol = OperatorOf(name);
  if (symbol.empty() && name != "divisibleby") {
    machine.Fail(IsTestName(name) ? absl::StrCat("the test ", name, " is not supported")
                                  : absl::StrCat("there is no test ", name));
    return false;
  }
  const auto arguments = Bind(machine, name, std::move(call), {"other"});
  if (!arguments[0].has_value()) {
    machine.Fail(absl::StrCat("the test ", name, " wants an argument"));
    return false;
  }
  if (!symbol.empty()) return Compare(machine, symbol, value, *arguments[0]);
  return AreEqual(Calculate(machine, "%", value, *arguments[0]), Value::Of(int64_t{0}));
}

}  // namespace pivot::chat

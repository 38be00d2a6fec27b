// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/operators.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/model/chat_template/python_text.h"

namespace pivot::chat {
namespace {

Value WrongTypes(Machine& machine, absl::string_view name, const Value& left, const Value& right) {
  for (const Value* value : {&left, &right}) {
    if (value->is_undefined()) return machine.Fail(absl::StrCat("\"", value->name(), "\" is undefined"));
  }
  return machine.Fail(absl::StrCat(left.type_name(), " ", name, " ", right.type_name(), " is not supported"));
}

/// `result` is written while the arguments are evaluated.
Value Checked(Machine& machine, bool overflows, const int64_t& result) {
  return overflows ? machine.Fail("an integer of more than 64 bits is not supported") : Value::Of(result);
}

int64_t FloorDivide(int64_t left, int64_t right) {
  const int64_t quotient = left / right;
  return left % right != 0 && (left % right < 0) != (right < 0) ? quotient - 1 : quotient;
}

Value Power(Machine& machine, int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (!machine.Spend(1) || __builtin_mul_overflow(result, base, &result)) return Checked(machine, true, 0);
  }
  return Value::Of(result);
}

Value CalculateIntegers(Machine& machine, absl::string_view name, int64_t left, int64_t right) {
  int64_t result = 0;
  if (name == "+") return Checked(machine, __builtin_add_overflow(left, right, &result), result);
  if (name == "-") return Checked(machine, __builtin_sub_overflow(left, right, &result), result);
  if (name == "*") return Checked(machine, __builtin_mul_overflow(left, right, &result), result);
  if (name == "**") {
    return right >= 0 ? Power(machine, left, right)
                      : Value::Of(std::pow(static_cast<double>(left), static_cast<double>(right)));
  }
  if (right == 0) return machine.Fail("division by zero");
  if (name == "/") return Value::Of(static_cast<double>(left) / static_cast<double>(right));
  if (right == -1) return name == "%" ? Value::Of(int64_t{0}) : CalculateIntegers(machine, "-", 0, left);
  const int64_t quotient = FloorDivide(left, right);
  return Value::Of(name == "//" ? quotient : left - quotient * right);
}

Value CalculateFloats(Machine& machine, absl::string_view name, double left, double right) {
  if (name == "+") return Value::Of(left + right);
  if (name == "-") return Value::Of(left - right);
  if (name == "*") return Value::Of(left * right);
  if (name == "**") return Value::Of(std::pow(left, right));
  if (right == 0) return machine.Fail("division by zero");
  if (name == "/") return Value::Of(left / right);
  const double quotient = std::floor(left / right);
  if (name == "//") return Value::Of(quotient);
  const double rest = std::fmod(left, right);
  return Value::Of(rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest);
}

Value Repeat(Machine& machine, const Value& value, int64_t times) {
  times = std::max<int64_t>(times, 0);
  if (value.is_text()) {
    const auto bytes = static_cast<double>(value.text().size()) * static_cast<double>(times);
    if (!machine.SpendBytes(static_cast<size_t>(std::min(bytes, 1e18)))) return {};
    std::string text;
    for (int64_t i = 0; i < times && !value.text().empty(); ++i) text += value.text();
    return Value::Of(std::move(text));
  }
  std::vector<Value> items;
  for (int64_t i = 0; i < times && !value.items().empty(); ++i) {
    if (!machine.Spend(static_cast<int64_t>(value.items().size()))) return {};
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return value.is_list() ? Value::ListOf(std::move(items)) : Value::TupleOf(std::move(items));
}

bool IsSequence(const Value& value) { return value.is_text() || value.is_list() || value.is_tuple(); }

Value Add(Machine& machine, const Value& left, const Value& right) {
  if (left.is_text() && right.is_text()) return machine.Made(left.text() + right.text());
  const bool lists = left.is_list() && right.is_list();
  if (!lists && !(left.is_tuple() && right.is_tuple())) return WrongTypes(machine, "+", left, right);
  std::vector<Value> items = left.items();
  items.insert(items.end(), right.items().begin(), right.items().end());
  return machine.Made(lists ? Value::ListOf(std::move(items)) : Value::TupleOf(std::move(items)));
}

bool Contains(Machine& machine, const Value& container, const Value& item) {
  if (container.is_text()) {
    if (item.is_text())
      return machine.SpendBytes(container.text().size()) && absl::StrContains(container.text(), item.text());
    WrongTypes(machine, "in", item, container);
    return false;
  }
  if (container.is_dict()) {
    if (item.is_list() || item.is_dict()) WrongTypes(machine, "in", item, container);
    return item.is_text() && container.dict().Find(item.text()) != nullptr;
  }
  const std::vector<Value> items = Iterate(machine, container);
  return std::any_of(items.begin(), items.end(), [&item](const Value& other) { return AreEqual(item, other); });
}

/// A bound of a slice within 0 and size, or -1 and size - 1 when going backwards.
int64_t Bound(const Value& value, int64_t fallback, int64_t size, int64_t step) {
  if (!value.is_integer()) return fallback;
  const int64_t bound = value.integer() < 0 ? value.integer() + size : value.integer();
  const int64_t lowest = step < 0 ? -1 : 0;
  return std::clamp(bound, lowest, step < 0 ? size - 1 : size);
}

}  // namespace

Value Calculate(Machine& machine, absl::string_view name, const Value& left, const Value& right) {
  if (left.is_integer() && right.is_integer()) return CalculateIntegers(machine, name, left.integer(), right.integer());
  if (left.is_number() && right.is_number()) return CalculateFloats(machine, name, left.number(), right.number());
  if (name == "+") return Add(machine, left, right);
  if (name == "*" && IsSequence(left) && right.is_integer()) return Repeat(machine, left, right.integer());
  if (name == "*" && IsSequence(right) && left.is_integer()) return Repeat(machine, right, left.integer());
  return WrongTypes(machine, name, left, right);
}

Value Signed(Machine& machine, absl::string_view name, const Value& operand) {
  if (!operand.is_number()) return WrongTypes(machine, name, operand, operand);
  if (operand.is_float()) return Value::Of(name == "-" ? -operand.number() : operand.number());
  return name == "-" ? CalculateIntegers(machine, "-", 0, operand.integer()) : Value::Of(operand.integer());
}

bool Compare(Machine& machine, absl::string_view name, const Value& left, const Value& right) {
  if (name == "==") return AreEqual(left, right);
  if (name == "!=") return !AreEqual(left, right);
  if (name == "in") return Contains(machine, right, left);
  if (name == "not in") return !Contains(machine, right, left);
  const bool swapped = absl::StartsWith(name, ">");
  const std::optional<bool> less = swapped ? IsLess(right, left) : IsLess(left, right);
  if (!less.has_value()) {
    WrongTypes(machine, name, left, right);
    return false;
  }
  return *less || (absl::EndsWith(name, "=") && AreEqual(left, right));
}

Value AttributeOf(Machine& machine, const Value& value, absl::string_view name) {
  if (value.is_undefined()) return machine.Fail(absl::StrCat("\"", value.name(), "\" is undefined"));
  if (value.is_namespace()) {
    const Value* found = value.attributes().attributes.Find(name);
    return found == nullptr ? Value::OfName(std::string(name)) : *found;
  }
  if (std::optional<Value> method = MethodOf(machine, value, name); method.has_value()) return *std::move(method);
  const Value* found = value.is_dict() ? value.dict().Find(name) : nullptr;
  return found == nullptr ? Value::OfName(std::string(name)) : *found;
}

Value ItemOf(Machine& machine, const Value& value, const Value& key) {
  if (value.is_undefined()) return machine.Fail(absl::StrCat("\"", value.name(), "\" is undefined"));
  if (key.is_text()) {
    const Value* found = value.is_dict() ? value.dict().Find(key.text()) : nullptr;
    if (found != nullptr) return *found;
    return MethodOf(machine, value, key.text()).value_or(Value::OfName(key.text()));
  }
  if (!IsSequence(value) || !key.is_integer()) return Value::OfName("item");
  const int64_t size = LengthOf(machine, value);
  const int64_t index = key.integer() < 0 ? key.integer() + size : key.integer();
  if (index < 0 || index >= size) return Value::OfName("item");
  if (!value.is_text()) return value.items()[static_cast<size_t>(index)];
  machine.SpendBytes(value.text().size());
  return Value::Of(CharactersOf(value.text())[static_cast<size_t>(index)]);
}

Value SliceOf(Machine& machine, const Value& value, const Value& first, const Value& last, const Value& step) {
  for (const Value* bound : {&first, &last, &step}) {
    const bool may_be = bound->is_integer() || bound->is_none() || (bound->is_undefined() && bound->name().empty());
    if (!may_be) return machine.Fail("a slice's bounds are integers");
  }
  if (!IsSequence(value)) return WrongTypes(machine, "[:]", value, value);
  const int64_t stride = step.is_integer() ? step.integer() : 1;
  if (stride == 0) return machine.Fail("a slice's step is 0");
  const std::vector<Value> items = Iterate(machine, value);
  const auto size = static_cast<int64_t>(items.size());
  const int64_t begin = Bound(first, stride < 0 ? size - 1 : 0, size, stride);
  const int64_t end = Bound(last, stride < 0 ? -1 : size, size, stride);
  std::vector<Value> taken;
  for (int64_t i = begin; stride < 0 ? i > end : i < end; i += stride) {
    taken.push_back(items[static_cast<size_t>(i)]);
    if (stride > size || stride < -size) break;
  }
  if (value.is_list()) return Value::ListOf(std::move(taken));
  if (value.is_tuple()) return Value::TupleOf(std::move(taken));
  std::string text;
  for (const Value& character : taken) text += character.text();
  return Value::Of(std::move(text));
}

}  // namespace pivot::chat

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_OPERATORS_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_OPERATORS_H_

// Python's operators over values. Where Python raises an error there is a fault; so is an integer beyond 64 bits.

#include <optional>

#include "absl/strings/string_view.h"

#include "engine/model/chat_template/machine.h"
#include "engine/model/chat_template/value.h"

namespace pivot::chat {

/// "+", "-", "*", "/", "//", "%", "**".
Value Calculate(Machine& machine, absl::string_view name, const Value& left, const Value& right);

/// "-", "+".
Value Signed(Machine& machine, absl::string_view name, const Value& operand);

/// "==", "!=", "<", "<=", ">", ">=", "in", "not in".
bool Compare(Machine& machine, absl::string_view name, const Value& left, const Value& right);

/// value.name as Jinja finds it: a method before an item of that name; undefined when there is neither.
Value AttributeOf(Machine& machine, const Value& value, absl::string_view name);

/// value[key] as Jinja finds it: an item before a method.
Value ItemOf(Machine& machine, const Value& value, const Value& key);

/// value[first:last:step]; those not given are undefined or none.
Value SliceOf(Machine& machine, const Value& value, const Value& first, const Value& last, const Value& step);

/// What a method call runs: `name` of a value's type; nothing when Python's type has no such attribute. Attributes that
/// Python has and this has not are a fault.
std::optional<Value> MethodOf(Machine& machine, const Value& value, absl::string_view name);

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_OPERATORS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_FILTERS_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_FILTERS_H_

// value | name(arguments) and value is name(arguments).

#include "absl/strings/string_view.h"

#include "engine/model/chat_template/machine.h"
#include "engine/model/chat_template/value.h"

namespace pivot::chat {

/// Jinja's filters default, trim, length, upper, lower, title, capitalize, replace, join, first, last, list, items,
/// map, select, reject, selectattr, rejectattr, unique, sort, dictsort, reverse, int, float, abs, string, safe, indent,
/// and tojson as transformers has it. A fault for others.
Value ApplyFilter(Machine& machine, absl::string_view name, const Value& value, Call call);

/// The filters over sequences, a part of the above; nothing for other names.
std::optional<Value> ApplySequenceFilter(Machine& machine, absl::string_view name, const Value& value, Call& call);

/// Jinja's tests defined, undefined, none, boolean, true, false, integer, float, number, string, mapping, sequence,
/// iterable, callable, odd, even, divisibleby, in, upper, lower, and the comparisons by symbol or name. A fault for
/// others.
bool ApplyTest(Machine& machine, absl::string_view name, const Value& value, Call call);

/// Whether Jinja has a filter or test of this name.
bool IsFilterName(absl::string_view name);
bool IsTestName(absl::string_view name);

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_FILTERS_H_

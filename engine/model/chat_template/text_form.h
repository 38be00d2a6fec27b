// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_TEXT_FORM_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_TEXT_FORM_H_

// Values as text.

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

#include "engine/model/chat_template/value.h"

namespace pivot::chat {

/// Python's str(): what {{ }} writes. Of what is undefined "".
std::string ToText(const Value& value);

/// Python's repr().
std::string ToRepr(const Value& value);

struct JsonForm {
  bool ascii = false;                 // characters beyond ASCII as \uXXXX
  std::optional<std::string> indent;  // of one level; nothing: all on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sorts_keys = false;
};

/// Python's json.dumps(); nothing for what it refuses: what is undefined, a function, a namespace.
std::optional<std::string> ToJson(const Value& value, const JsonForm& form);

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_TEXT_FORM_H_

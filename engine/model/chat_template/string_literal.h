// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_STRING_LITERAL_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_STRING_LITERAL_H_

// What stands between the quotes of a string.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot::chat {

/// Escapes replaced as Python does it: \n, \t, \\, \', \", \a, \b, \f, \v, \r, octal, \xHH, \uHHHH, \UHHHHHHHH; a
/// backslash before anything else stays, before a line's end both go. kInvalidArgument for \N{...}, for digits that are
/// missing and for what is no code point or half of one.
absl::StatusOr<std::string> Unescape(absl::string_view text);

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_STRING_LITERAL_H_

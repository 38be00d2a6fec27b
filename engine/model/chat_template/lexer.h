// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_LEXER_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_LEXER_H_

// A template's source as tokens.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot::chat {

enum class TokenKind {
  kData,  // text outside of tags, as it is written out
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kText,  // a string, escapes replaced
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // of a number without underscores
  int line = 1;
};

/// The tokens, the last of them kEnd; comments are left out.
///
/// Source: Jinja 3.1 with trim_blocks and lstrip_blocks, as transformers sets it up: the first line end behind a block
/// or a
///         comment goes, white space before one that begins its line too, `-` takes all white space on its side.
/// Errors: kInvalidArgument with the line for what no token begins with, a tag or string that never ends, and for
///         {% raw %}. `source` is valid UTF-8.
absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view source);

/// "line N: PROBLEM", kInvalidArgument.
absl::Status TemplateError(int line, absl::string_view problem);

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_LEXER_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_STATEMENT_PARSER_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_STATEMENT_PARSER_H_

// A template's source to statements.

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/chat_template/nodes.h"

namespace pivot::chat {

/// Knows set, if, for, macro, call, filter, with, break, continue and transformers' generation. Errors:
/// kInvalidArgument with the line: other tags by name, a macro within a loop or another scope, recursive loops, tags
/// nested deeper than 100.
absl::StatusOr<Body> ParseTemplate(absl::string_view source);

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_STATEMENT_PARSER_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_TOKEN_STREAM_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_TOKEN_STREAM_H_

// Tokens one after the other, for parsers.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "engine/model/chat_template/lexer.h"

namespace pivot::chat {

class TokenStream {
 public:
  /// The last token is kEnd, which is never passed.
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  int line() const { return current().line; }

  Token Take() {
    Token token = current();
    if (token.kind != TokenKind::kEnd) ++at_;
    return token;
  }

  bool Is(TokenKind kind) const { return current().kind == kind; }
  bool Is(TokenKind kind, absl::string_view text) const { return Is(kind) && current().text == text; }
  bool IsOperator(absl::string_view text) const { return Is(TokenKind::kOperator, text); }
  bool IsName(absl::string_view text) const { return Is(TokenKind::kName, text); }

  bool Consume(TokenKind kind, absl::string_view text) {
    if (!Is(kind, text)) return false;
    Take();
    return true;
  }
  bool ConsumeOperator(absl::string_view text) { return Consume(TokenKind::kOperator, text); }
  bool ConsumeName(absl::string_view text) { return Consume(TokenKind::kName, text); }

  absl::Status ExpectOperator(absl::string_view text) {
    return ConsumeOperator(text) ? absl::OkStatus() : Unexpected(absl::StrCat("\"", text, "\""));
  }

  /// A name that can be assigned to.
  absl::StatusOr<std::string> TakeTarget() {
    for (const absl::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
      if (IsName(constant)) return Unexpected("a name that can be assigned to");
    }
    if (!Is(TokenKind::kName)) return Unexpected("a name");
    return Take().text;
  }

  /// What is there is not what `wanted` says.
  absl::Status Unexpected(absl::string_view wanted) const {
    return TemplateError(line(), absl::StrCat("expected ", wanted, ", found ", Describe()));
  }

 private:
  std::string Describe() const {
    switch (current().kind) {
      case TokenKind::kEnd:
        return "the template's end";
      case TokenKind::kData:
        return "text";
      case TokenKind::kBlockBegin:
        return "{%";
      case TokenKind::kBlockEnd:
        return "%}";
      case TokenKind::kVariableBegin:
        return "{{";
      case TokenKind::kVariableEnd:
        return "}}";
      default:
        return absl::StrCat("\"", current().text, "\"");
    }
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
};

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_TOKEN_STREAM_H_

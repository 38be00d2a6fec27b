// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_EXPRESSION_PARSER_H_
#define PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_EXPRESSION_PARSER_H_

// Tokens to expressions.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "engine/model/chat_template/nodes.h"
#include "engine/model/chat_template/token_stream.h"

namespace pivot::chat {

/// Jinja 3.1's precedence: inline if, or, and, not, comparisons, + -, ~, * / // %, **, unary, postfix, filters and
/// tests. Errors: kInvalidArgument with the line; also for expressions nested deeper than 100.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream* tokens) : tokens_(*tokens) {}

  enum class InlineIf { kAllowed, kLeft };
  absl::StatusOr<ExpressionPtr> Parse(InlineIf inline_if = InlineIf::kAllowed);
  /// The same, or several with commas between, which make a tuple.
  absl::StatusOr<ExpressionPtr> ParseTuple(InlineIf inline_if = InlineIf::kAllowed);
  /// | NAME | NAME(...) behind an expression.
  absl::StatusOr<ExpressionPtr> ParseFilters(ExpressionPtr operand);
  /// One filter, at its name.
  absl::StatusOr<ExpressionPtr> ParseFilter(ExpressionPtr operand);

 private:
  static std::unique_ptr<Expression> Make(ExpressionKind kind, int line, std::string text = "");
  /// `parent` gets one more operand, which may be null.
  static void Add(ExpressionPtr operand, Expression* parent);
  template <typename... Operands>
  static std::unique_ptr<Expression> MakeOf(ExpressionKind kind, int line, std::string text, Operands... operands) {
    auto expression = Make(kind, line, std::move(text));
    (Add(std::move(operands), expression.get()), ...);
    return expression;
  }
  absl::Status CheckDepth(const Expression& expression) const;

  using Level = absl::StatusOr<ExpressionPtr> (ExpressionParser::*)();

  absl::StatusOr<ExpressionPtr> ParseConditional();
  absl::StatusOr<ExpressionPtr> ParseOr();
  absl::StatusOr<ExpressionPtr> ParseAnd();
  absl::StatusOr<ExpressionPtr> ParseNot();
  absl::StatusOr<ExpressionPtr> ParseCompare();
  absl::StatusOr<ExpressionPtr> ParseSum();
  absl::StatusOr<ExpressionPtr> ParseConcatenate();
  absl::StatusOr<ExpressionPtr> ParseProduct();
  absl::StatusOr<ExpressionPtr> ParsePower();
  absl::StatusOr<ExpressionPtr> ParseUnary();
  absl::StatusOr<ExpressionPtr> ParseSigned();
  absl::StatusOr<ExpressionPtr> ParsePrimary();
  absl::StatusOr<ExpressionPtr> ParseName();
  absl::StatusOr<ExpressionPtr> ParseNumber();
  absl::StatusOr<ExpressionPtr> ParseParentheses();
  absl::StatusOr<ExpressionPtr> ParseList();
  absl::StatusOr<ExpressionPtr> ParseDict();
  absl::StatusOr<ExpressionPtr> ParsePostfix(ExpressionPtr operand);
  absl::StatusOr<ExpressionPtr> ParseAttribute(ExpressionPtr operand);
  absl::StatusOr<ExpressionPtr> ParseSubscript(ExpressionPtr operand);
  absl::StatusOr<ExpressionPtr> ParseCall(ExpressionPtr operand);
  absl::StatusOr<ExpressionPtr> ParseTest(ExpressionPtr operand);
  absl::Status ParseArguments(Expression* call);
  absl::StatusOr<std::string> TakeDottedName();
  absl::StatusOr<ExpressionPtr> ParseBinary(const std::vector<std::string>& operators, TokenKind kind, Level operand);
  std::string TakeComparison();

  TokenStream& tokens_;
  int depth_ = 0;
};

}  // namespace pivot::chat

#endif  // PIVOT_ENGINE_MODEL_CHAT_TEMPLATE_EXPRESSION_PARSER_H_

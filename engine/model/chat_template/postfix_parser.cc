// SPDX-License-Identifier: Apache-2.0
// What stands behind an operand: attributes, subscripts, calls, filters and tests.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/model/chat_template/expression_parser.h"
#include "proto/status/status_macros.h"

namespace pivot::chat {

absl::StatusOr<ExpressionPtr> ExpressionParser::ParsePostfix(ExpressionPtr operand) {
  for (;;) {
    PIVOT_RETURN_IF_ERROR(CheckDepth(*operand));
    if (tokens_.IsOperator(".")) {
      PIVOT_ASSIGN_OR_RETURN(operand, ParseAttribute(std::move(operand)));
    } else if (tokens_.IsOperator("[")) {
      PIVOT_ASSIGN_OR_RETURN(operand, ParseSubscript(std::move(operand)));
    } else if (tokens_.IsOperator("(")) {
      PIVOT_ASSIGN_OR_RETURN(operand, ParseCall(std::move(operand)));
    } else {
      return operand;
    }
  }
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseFilters(ExpressionPtr operand) {
  for (;;) {
    PIVOT_RETURN_IF_ERROR(CheckDepth(*operand));
    if (tokens_.ConsumeOperator("|")) {
      PIVOT_ASSIGN_OR_RETURN(operand, ParseFilter(std::move(operand)));
    } else if (tokens_.IsName("is")) {
      PIVOT_ASSIGN_OR_RETURN(operand, ParseTest(std::move(operand)));
    } else if (tokens_.IsOperator("(")) {
      // Calls go on behind a filter.
      PIVOT_ASSIGN_OR_RETURN(operand, ParseCall(std::move(operand)));
    } else {
      return operand;
    }
  }
}

absl::StatusOr<std::string> ExpressionParser::TakeDottedName() {
  std::string name = tokens_.Take().text;
  while (tokens_.ConsumeOperator(".")) {
    if (!tokens_.Is(TokenKind::kName)) return tokens_.Unexpected("a name behind \".\"");
    absl::StrAppend(&name, ".", tokens_.Take().text);
  }
  return name;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseFilter(ExpressionPtr operand) {
  if (!tokens_.Is(TokenKind::kName)) return tokens_.Unexpected("the name of a filter");
  const int line = tokens_.line();
  PIVOT_ASSIGN_OR_RETURN(std::string name, TakeDottedName());
  auto filter = MakeOf(ExpressionKind::kFilter, line, std::move(name), std::move(operand));
  if (tokens_.IsOperator("(")) {
    PIVOT_RETURN_IF_ERROR(ParseArguments(filter.get()));
  }
  return filter;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseAttribute(ExpressionPtr operand) {
  const int line = tokens_.Take().line;
  if (tokens_.Is(TokenKind::kName))
    return ExpressionPtr(MakeOf(ExpressionKind::kAttribute, line, tokens_.Take().text, std::move(operand)));
  if (!tokens_.Is(TokenKind::kInteger)) return tokens_.Unexpected("a name behind \".\"");
  auto item = MakeOf(ExpressionKind::kItem, line, "", std::move(operand));
  PIVOT_ASSIGN_OR_RETURN(ExpressionPtr index, ParseNumber());
  Add(std::move(index), item.get());
  return item;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseSubscript(ExpressionPtr operand) {
  const int line = tokens_.Take().line;
  auto subscript = MakeOf(ExpressionKind::kSlice, line, "", std::move(operand));
  bool is_slice = false;
  while (!tokens_.ConsumeOperator("]")) {
    ExpressionPtr part;
    if (!tokens_.IsOperator(":")) {
      PIVOT_ASSIGN_OR_RETURN(part, Parse());
    }
    Add(std::move(part), subscript.get());
    if (tokens_.IsOperator("]")) continue;
    PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator(":"));
    is_slice = true;
    if (subscript->operands.size() > 3) return TemplateError(line, "a slice has at most three parts");
  }
  if (subscript->operands.size() == 1 && !is_slice)
    return TemplateError(line, "nothing stands between \"[\" and \"]\"");
  if (!is_slice) subscript->kind = ExpressionKind::kItem;
  if (is_slice) subscript->operands.resize(4);
  return subscript;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseCall(ExpressionPtr operand) {
  auto call = MakeOf(ExpressionKind::kCall, tokens_.line(), "", std::move(operand));
  PIVOT_RETURN_IF_ERROR(ParseArguments(call.get()));
  return call;
}

absl::Status ExpressionParser::ParseArguments(Expression* call) {
  PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator("("));
  std::vector<Argument>& arguments = call->arguments;
  while (!tokens_.ConsumeOperator(")")) {
    if (!arguments.empty()) PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator(","));
    if (tokens_.ConsumeOperator(")")) break;
    Argument argument;
    const bool is_named =
        tokens_.Is(TokenKind::kName) && tokens_.next().kind == TokenKind::kOperator && tokens_.next().text == "=";
    if (is_named || tokens_.IsOperator("*") || tokens_.IsOperator("**")) argument.name = tokens_.Take().text;
    if (is_named) tokens_.Take();
    const bool is_placed = argument.name.empty() || argument.name == "*";
    if (is_placed && !arguments.empty() && !arguments.back().name.empty())
      return TemplateError(tokens_.line(), "an argument without a name stands behind one with");
    PIVOT_ASSIGN_OR_RETURN(argument.value, Parse());
    call->depth = std::max(call->depth, argument.value->depth + 1);
    arguments.push_back(std::move(argument));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseTest(ExpressionPtr operand) {
  const int line = tokens_.Take().line;
  const bool is_negated = tokens_.ConsumeName("not");
  if (!tokens_.Is(TokenKind::kName)) return tokens_.Unexpected("the name of a test");
  PIVOT_ASSIGN_OR_RETURN(std::string name, TakeDottedName());
  auto test = MakeOf(ExpressionKind::kTest, line, std::move(name), std::move(operand));
  const TokenKind kind = tokens_.current().kind;
  const bool begins_operand = kind == TokenKind::kName || kind == TokenKind::kText || kind == TokenKind::kInteger ||
                              kind == TokenKind::kFloat || tokens_.IsOperator("[") || tokens_.IsOperator("{");
  const bool is_operator = tokens_.IsName("else") || tokens_.IsName("or") || tokens_.IsName("and");
  if (tokens_.IsOperator("(")) {
    PIVOT_RETURN_IF_ERROR(ParseArguments(test.get()));
  } else if (begins_operand && !is_operator) {
    if (tokens_.IsName("is")) return TemplateError(line, "tests in a row need parentheses");
    Argument argument;
    PIVOT_ASSIGN_OR_RETURN(argument.value, ParsePrimary());
    PIVOT_ASSIGN_OR_RETURN(argument.value, ParsePostfix(std::move(argument.value)));
    test->arguments.push_back(std::move(argument));
  }
  if (is_negated) return ExpressionPtr(MakeOf(ExpressionKind::kUnary, line, "not", std::move(test)));
  return test;
}

}  // namespace pivot::chat

// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/expression_parser.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"

namespace pivot::chat {
namespace {

constexpr int kMaxDepth = 100;

ExpressionPtr Constant(Value value, int line) {
  auto expression = std::make_unique<Expression>();
  expression->line = line;
  expression->constant = std::move(value);
  return expression;
}

}  // namespace

std::unique_ptr<Expression> ExpressionParser::Make(ExpressionKind kind, int line, std::string text) {
  auto expression = std::make_unique<Expression>();
  expression->kind = kind;
  expression->line = line;
  expression->text = std::move(text);
  return expression;
}

void ExpressionParser::Add(ExpressionPtr operand, Expression* parent) {
  if (operand != nullptr) parent->depth = std::max(parent->depth, operand->depth + 1);
  parent->operands.push_back(std::move(operand));
}

absl::Status ExpressionParser::CheckDepth(const Expression& expression) const {
  if (expression.depth < kMaxExpressionDepth) return absl::OkStatus();
  return TemplateError(tokens_.line(),
                       absl::StrCat("an expression is deeper than ", kMaxExpressionDepth, " operators"));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::Parse(InlineIf inline_if) {
  return inline_if == InlineIf::kAllowed ? ParseConditional() : ParseOr();
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseTuple(InlineIf inline_if) {
  PIVOT_ASSIGN_OR_RETURN(ExpressionPtr first, Parse(inline_if));
  if (!tokens_.IsOperator(",")) return first;
  auto tuple = MakeOf(ExpressionKind::kTuple, tokens_.line(), "", std::move(first));
  while (tokens_.ConsumeOperator(",")) {
    if (tokens_.Is(TokenKind::kBlockEnd) || tokens_.Is(TokenKind::kVariableEnd) || tokens_.IsOperator(")")) break;
    PIVOT_ASSIGN_OR_RETURN(ExpressionPtr item, Parse(inline_if));
    Add(std::move(item), tuple.get());
  }
  return tuple;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseConditional() {
  const absl::Cleanup leave = [this] { --depth_; };
  if (++depth_ > kMaxDepth)
    return TemplateError(tokens_.line(), absl::StrCat("expressions are nested deeper than ", kMaxDepth));
  PIVOT_ASSIGN_OR_RETURN(ExpressionPtr value, ParseOr());
  while (tokens_.IsName("if")) {
    const int line = tokens_.Take().line;
    PIVOT_ASSIGN_OR_RETURN(ExpressionPtr condition, ParseOr());
    PIVOT_RETURN_IF_ERROR(CheckDepth(*value));
    ExpressionPtr otherwise;
    if (tokens_.ConsumeName("else")) {
      PIVOT_ASSIGN_OR_RETURN(otherwise, ParseConditional());
    }
    value =
        MakeOf(ExpressionKind::kConditional, line, "", std::move(value), std::move(condition), std::move(otherwise));
  }
  return value;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseBinary(const std::vector<std::string>& operators, TokenKind kind,
                                                            Level operand) {
  PIVOT_ASSIGN_OR_RETURN(ExpressionPtr left, (this->*operand)());
  for (;;) {
    const bool found =
        tokens_.Is(kind) && std::find(operators.begin(), operators.end(), tokens_.current().text) != operators.end();
    if (!found) return left;
    PIVOT_RETURN_IF_ERROR(CheckDepth(*left));
    const Token token = tokens_.Take();
    PIVOT_ASSIGN_OR_RETURN(ExpressionPtr right, (this->*operand)());
    left = MakeOf(ExpressionKind::kBinary, token.line, token.text, std::move(left), std::move(right));
  }
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseOr() {
  return ParseBinary({"or"}, TokenKind::kName, &ExpressionParser::ParseAnd);
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseAnd() {
  return ParseBinary({"and"}, TokenKind::kName, &ExpressionParser::ParseNot);
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseNot() {
  if (!tokens_.IsName("not")) return ParseCompare();
  const absl::Cleanup leave = [this] { --depth_; };
  if (++depth_ > kMaxDepth) return TemplateError(tokens_.line(), "too many operators in a row");
  const int line = tokens_.Take().line;
  PIVOT_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseNot());
  return MakeOf(ExpressionKind::kUnary, line, "not", std::move(operand));
}

std::string ExpressionParser::TakeComparison() {
  for (const char* text : {"==", "!=", "<=", ">=", "<", ">"}) {
    if (tokens_.ConsumeOperator(text)) return text;
  }
  if (tokens_.ConsumeName("in")) return "in";
  const bool is_not_in =
      tokens_.IsName("not") && tokens_.next().kind == TokenKind::kName && tokens_.next().text == "in";
  if (!is_not_in) return "";
  tokens_.Take();
  tokens_.Take();
  return "not in";
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseCompare() {
  PIVOT_ASSIGN_OR_RETURN(ExpressionPtr left, ParseSum());
  auto compare = MakeOf(ExpressionKind::kCompare, tokens_.line(), "", std::move(left));
  for (std::string text = TakeComparison(); !text.empty(); text = TakeComparison()) {
    PIVOT_ASSIGN_OR_RETURN(ExpressionPtr right, ParseSum());
    compare->operators.push_back(std::move(text));
    Add(std::move(right), compare.get());
  }
  if (compare->operators.empty()) return std::move(compare->operands.front());
  return compare;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseSum() {
  return ParseBinary({"+", "-"}, TokenKind::kOperator, &ExpressionParser::ParseConcatenate);
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseConcatenate() {
  PIVOT_ASSIGN_OR_RETURN(ExpressionPtr first, ParseProduct());
  if (!tokens_.IsOperator("~")) return first;
  auto concatenate = MakeOf(ExpressionKind::kConcatenate, tokens_.line(), "", std::move(first));
  while (tokens_.ConsumeOperator("~")) {
    PIVOT_ASSIGN_OR_RETURN(ExpressionPtr next, ParseProduct());
    Add(std::move(next), concatenate.get());
  }
  return concatenate;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseProduct() {
  return ParseBinary({"*", "/", "//", "%"}, TokenKind::kOperator, &ExpressionParser::ParsePower);
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParsePower() {
  return ParseBinary({"**"}, TokenKind::kOperator, &ExpressionParser::ParseUnary);
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseUnary() {
  PIVOT_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseSigned());
  return ParseFilters(std::move(operand));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseSigned() {
  if (!tokens_.IsOperator("-") && !tokens_.IsOperator("+")) {
    PIVOT_ASSIGN_OR_RETURN(ExpressionPtr operand, ParsePrimary());
    return ParsePostfix(std::move(operand));
  }
  const absl::Cleanup leave = [this] { --depth_; };
  if (++depth_ > kMaxDepth) return TemplateError(tokens_.line(), "too many signs in a row");
  const Token sign = tokens_.Take();
  PIVOT_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseSigned());
  return ParsePostfix(MakeOf(ExpressionKind::kUnary, sign.line, sign.text, std::move(operand)));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParsePrimary() {
  switch (tokens_.current().kind) {
    case TokenKind::kName:
      return ParseName();
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return ParseNumber();
    case TokenKind::kText: {
      const int line = tokens_.line();
      std::string text;
      while (tokens_.Is(TokenKind::kText)) text += tokens_.Take().text;
      return Constant(Value::Of(std::move(text)), line);
    }
    default:
      if (tokens_.IsOperator("(")) return ParseParentheses();
      if (tokens_.IsOperator("[")) return ParseList();
      if (tokens_.IsOperator("{")) return ParseDict();
      return tokens_.Unexpected("an expression");
  }
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseName() {
  const Token name = tokens_.Take();
  if (name.text == "true" || name.text == "True") return Constant(Value::Of(true), name.line);
  if (name.text == "false" || name.text == "False") return Constant(Value::Of(false), name.line);
  if (name.text == "none" || name.text == "None") return Constant(Value::OfNone(), name.line);
  return ExpressionPtr(Make(ExpressionKind::kName, name.line, name.text));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseNumber() {
  const Token number = tokens_.Take();
  int64_t integer = 0;
  double floating = 0;
  if (number.kind == TokenKind::kInteger && absl::SimpleAtoi(number.text, &integer))
    return Constant(Value::Of(integer), number.line);
  if (number.kind == TokenKind::kFloat && absl::SimpleAtod(number.text, &floating))
    return Constant(Value::Of(floating), number.line);
  return TemplateError(number.line, absl::StrCat("the number ", number.text, " of more than 64 bits is not supported"));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseParentheses() {
  const int line = tokens_.Take().line;
  if (tokens_.ConsumeOperator(")")) return ExpressionPtr(Make(ExpressionKind::kTuple, line));
  PIVOT_ASSIGN_OR_RETURN(ExpressionPtr inner, ParseTuple());
  PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator(")"));
  return inner;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseList() {
  auto list = Make(ExpressionKind::kList, tokens_.Take().line);
  while (!tokens_.ConsumeOperator("]")) {
    if (!list->operands.empty()) PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator(","));
    if (tokens_.ConsumeOperator("]")) break;
    PIVOT_ASSIGN_OR_RETURN(ExpressionPtr item, Parse());
    Add(std::move(item), list.get());
  }
  return list;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseDict() {
  auto dict = Make(ExpressionKind::kDict, tokens_.Take().line);
  while (!tokens_.ConsumeOperator("}")) {
    if (!dict->operands.empty()) PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator(","));
    if (tokens_.ConsumeOperator("}")) break;
    PIVOT_ASSIGN_OR_RETURN(ExpressionPtr key, Parse());
    PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator(":"));
    PIVOT_ASSIGN_OR_RETURN(ExpressionPtr value, Parse());
    Add(std::move(key), dict.get());
    Add(std::move(value), dict.get());
  }
  return dict;
}

}  // namespace pivot::chat

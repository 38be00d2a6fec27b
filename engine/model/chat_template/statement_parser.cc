// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/statement_parser.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

#include "engine/model/chat_template/expression_parser.h"
#include "engine/model/chat_template/token_stream.h"
#include "proto/status/status_macros.h"

namespace pivot::chat {
namespace {

constexpr int kMaxDepth = 100;

using StatementPtr = std::unique_ptr<Statement>;
using ParsedStatement = absl::StatusOr<StatementPtr>;
using InlineIf = ExpressionParser::InlineIf;

StatementPtr Make(StatementKind kind, int line) {
  auto statement = std::make_unique<Statement>();
  statement->kind = kind;
  statement->line = line;
  return statement;
}

/// Whether an expression is filters of nothing, which a block's text takes the place of.
bool IsOnlyFilters(const Expression& expression) {
  if (expression.kind != ExpressionKind::kFilter) return expression.kind == ExpressionKind::kConstant;
  return IsOnlyFilters(*expression.operands[0]);
}

class StatementParser {
 public:
  explicit StatementParser(std::vector<Token> tokens) : tokens_(std::move(tokens)), expressions_(&tokens_) {}

  absl::StatusOr<Body> ParseAll() {
    PIVOT_ASSIGN_OR_RETURN(Body body, ParseBody({}));
    if (!tokens_.Is(TokenKind::kEnd)) return tokens_.Unexpected("a tag that was begun");
    return body;
  }

 private:
  /// Up to one of the tags `ends`, whose name is the current token then; without any up to the end.
  absl::StatusOr<Body> ParseBody(const std::vector<std::string>& ends) {
    const absl::Cleanup leave = [this] { --depth_; };
    if (++depth_ > kMaxDepth)
      return TemplateError(tokens_.line(), absl::StrCat("tags are nested deeper than ", kMaxDepth));
    Body body;
    while (!tokens_.Is(TokenKind::kEnd)) {
      const Token token = tokens_.Take();
      if (token.kind == TokenKind::kData) {
        auto data = Make(StatementKind::kData, token.line);
        data->text = token.text;
        body.push_back(std::move(data));
        continue;
      }
      const bool is_print = token.kind == TokenKind::kVariableBegin;
      const bool is_end = !is_print && tokens_.Is(TokenKind::kName) &&
                          std::find(ends.begin(), ends.end(), tokens_.current().text) != ends.end();
      if (is_end) return body;
      PIVOT_ASSIGN_OR_RETURN(StatementPtr statement, is_print ? ParsePrint() : ParseTag());
      body.push_back(std::move(statement));
    }
    if (ends.empty()) return body;
    return TemplateError(tokens_.line(), absl::StrCat("{% ", ends.back(), " %} is missing"));
  }

  /// The body of a tag that `end` closes, in a scope of its own.
  absl::StatusOr<Body> ParseScopedBody(const std::string& end) {
    const int loops = std::exchange(loops_, 0);
    ++scopes_;
    PIVOT_ASSIGN_OR_RETURN(Body body, ParseBody({end}));
    --scopes_;
    loops_ = loops;
    PIVOT_RETURN_IF_ERROR(CloseTag());
    return body;
  }

  /// Passes the name that is there and the tag's end.
  absl::Status CloseTag() {
    tokens_.Take();
    return EndTag();
  }

  absl::Status EndTag() {
    if (!tokens_.Is(TokenKind::kBlockEnd)) return tokens_.Unexpected("%}");
    tokens_.Take();
    return absl::OkStatus();
  }

  ParsedStatement ParsePrint() {
    StatementPtr print = Make(StatementKind::kPrint, tokens_.line());
    PIVOT_ASSIGN_OR_RETURN(print->value, expressions_.ParseTuple());
    if (!tokens_.Is(TokenKind::kVariableEnd)) return tokens_.Unexpected("}}");
    tokens_.Take();
    return print;
  }

  ParsedStatement ParseTag() {
    if (!tokens_.Is(TokenKind::kName)) return tokens_.Unexpected("the name of a tag");
    const Token name = tokens_.Take();
    if (name.text == "set") return ParseSet(name.line);
    if (name.text == "if") return ParseIf(name.line);
    if (name.text == "for") return ParseFor(name.line);
    if (name.text == "macro") return ParseMacro(name.line);
    if (name.text == "call") return ParseCall(name.line);
    if (name.text == "filter") return ParseFilter(name.line);
    if (name.text == "with") return ParseWith(name.line);
    if (name.text == "generation") return ParseGeneration(name.line);
    if (name.text == "break" || name.text == "continue") return ParseJump(name);
    return TemplateError(name.line, absl::StrCat("the tag {% ", name.text, " %} is not supported here"));
  }

  ParsedStatement ParseJump(const Token& name) {
    if (loops_ == 0) return TemplateError(name.line, absl::StrCat("{% ", name.text, " %} is outside of a loop"));
    PIVOT_RETURN_IF_ERROR(EndTag());
    return Make(name.text == "break" ? StatementKind::kBreak : StatementKind::kContinue, name.line);
  }

  /// Names with commas between, in parentheses or not.
  absl::StatusOr<std::vector<Target>> ParseTargets() {
    std::vector<Target> targets;
    const bool in_parentheses = tokens_.ConsumeOperator("(");
    do {
      if (!tokens_.Is(TokenKind::kName) && !targets.empty()) break;
      Target target;
      PIVOT_ASSIGN_OR_RETURN(target.name, tokens_.TakeTarget());
      if (tokens_.ConsumeOperator(".")) {
        PIVOT_ASSIGN_OR_RETURN(target.attribute, tokens_.TakeTarget());
      }
      targets.push_back(std::move(target));
    } while (tokens_.ConsumeOperator(","));
    if (in_parentheses) PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator(")"));
    return targets;
  }

  ParsedStatement ParseSet(int line) {
    StatementPtr set = Make(StatementKind::kSet, line);
    PIVOT_ASSIGN_OR_RETURN(set->targets, ParseTargets());
    if (tokens_.ConsumeOperator("=")) {
      PIVOT_ASSIGN_OR_RETURN(set->value, expressions_.ParseTuple());
      PIVOT_RETURN_IF_ERROR(EndTag());
      return set;
    }
    if (set->targets.size() != 1) return tokens_.Unexpected("\"=\"");
    set->kind = StatementKind::kSetBlock;
    if (tokens_.IsOperator("|")) {
      PIVOT_ASSIGN_OR_RETURN(set->value, expressions_.ParseFilters(std::make_unique<Expression>()));
      if (!IsOnlyFilters(*set->value)) return tokens_.Unexpected("filters alone");
    }
    PIVOT_RETURN_IF_ERROR(EndTag());
    PIVOT_ASSIGN_OR_RETURN(set->body, ParseScopedBody("endset"));
    return set;
  }

  ParsedStatement ParseIf(int line) {
    StatementPtr branch = Make(StatementKind::kIf, line);
    PIVOT_ASSIGN_OR_RETURN(branch->value, expressions_.ParseTuple(InlineIf::kLeft));
    PIVOT_RETURN_IF_ERROR(EndTag());
    PIVOT_ASSIGN_OR_RETURN(branch->body, ParseBody({"elif", "else", "endif"}));
    const Token next = tokens_.Take();
    if (next.text == "elif") {
      const absl::Cleanup leave = [this] { --depth_; };
      if (++depth_ > kMaxDepth) return TemplateError(next.line, absl::StrCat("more than ", kMaxDepth, " branches"));
      PIVOT_ASSIGN_OR_RETURN(StatementPtr otherwise, ParseIf(next.line));
      branch->otherwise.push_back(std::move(otherwise));
      return branch;
    }
    PIVOT_RETURN_IF_ERROR(EndTag());
    if (next.text == "endif") return branch;
    PIVOT_ASSIGN_OR_RETURN(branch->otherwise, ParseBody({"endif"}));
    PIVOT_RETURN_IF_ERROR(CloseTag());
    return branch;
  }

  ParsedStatement ParseFor(int line) {
    StatementPtr loop = Make(StatementKind::kFor, line);
    PIVOT_ASSIGN_OR_RETURN(loop->targets, ParseTargets());
    for (const Target& target : loop->targets) {
      if (!target.attribute.empty()) return TemplateError(line, "a loop assigns to names, not to attributes");
    }
    if (!tokens_.ConsumeName("in")) return tokens_.Unexpected("\"in\"");
    PIVOT_ASSIGN_OR_RETURN(loop->value, expressions_.ParseTuple(InlineIf::kLeft));
    if (tokens_.ConsumeName("if")) {
      PIVOT_ASSIGN_OR_RETURN(loop->condition, expressions_.Parse());
    }
    if (tokens_.IsName("recursive")) return TemplateError(line, "recursive loops are not supported");
    PIVOT_RETURN_IF_ERROR(EndTag());
    ++loops_;
    ++scopes_;
    PIVOT_ASSIGN_OR_RETURN(loop->body, ParseBody({"else", "endfor"}));
    --loops_;
    const Token next = tokens_.Take();
    PIVOT_RETURN_IF_ERROR(EndTag());
    if (next.text == "else") {
      PIVOT_ASSIGN_OR_RETURN(loop->otherwise, ParseBody({"endfor"}));
      PIVOT_RETURN_IF_ERROR(CloseTag());
    }
    --scopes_;
    return loop;
  }

  absl::StatusOr<std::vector<Parameter>> ParseParameters() {
    std::vector<Parameter> parameters;
    PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator("("));
    while (!tokens_.ConsumeOperator(")")) {
      if (!parameters.empty()) PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator(","));
      Parameter parameter;
      PIVOT_ASSIGN_OR_RETURN(parameter.name, tokens_.TakeTarget());
      if (tokens_.ConsumeOperator("=")) {
        PIVOT_ASSIGN_OR_RETURN(parameter.fallback, expressions_.Parse());
      } else if (!parameters.empty() && parameters.back().fallback != nullptr) {
        return TemplateError(tokens_.line(), "a parameter without a default stands behind one with");
      }
      parameters.push_back(std::move(parameter));
    }
    return parameters;
  }

  ParsedStatement ParseMacro(int line) {
    if (scopes_ > 0) return TemplateError(line, "a macro within a loop, a macro or a block is not supported");
    StatementPtr macro = Make(StatementKind::kMacro, line);
    PIVOT_ASSIGN_OR_RETURN(macro->text, tokens_.TakeTarget());
    PIVOT_ASSIGN_OR_RETURN(macro->parameters, ParseParameters());
    PIVOT_RETURN_IF_ERROR(EndTag());
    PIVOT_ASSIGN_OR_RETURN(macro->body, ParseScopedBody("endmacro"));
    return macro;
  }

  ParsedStatement ParseCall(int line) {
    StatementPtr call = Make(StatementKind::kCallBlock, line);
    if (tokens_.IsOperator("(")) {
      PIVOT_ASSIGN_OR_RETURN(call->parameters, ParseParameters());
    }
    PIVOT_ASSIGN_OR_RETURN(call->value, expressions_.Parse());
    if (call->value->kind != ExpressionKind::kCall) return TemplateError(line, "{% call %} wants a call");
    PIVOT_RETURN_IF_ERROR(EndTag());
    PIVOT_ASSIGN_OR_RETURN(call->body, ParseScopedBody("endcall"));
    return call;
  }

  ParsedStatement ParseFilter(int line) {
    StatementPtr filter = Make(StatementKind::kFilterBlock, line);
    PIVOT_ASSIGN_OR_RETURN(ExpressionPtr first, expressions_.ParseFilter(std::make_unique<Expression>()));
    PIVOT_ASSIGN_OR_RETURN(filter->value, expressions_.ParseFilters(std::move(first)));
    if (!IsOnlyFilters(*filter->value)) return tokens_.Unexpected("filters alone");
    PIVOT_RETURN_IF_ERROR(EndTag());
    PIVOT_ASSIGN_OR_RETURN(filter->body, ParseScopedBody("endfilter"));
    return filter;
  }

  ParsedStatement ParseWith(int line) {
    StatementPtr with = Make(StatementKind::kScope, line);
    while (!tokens_.Is(TokenKind::kBlockEnd)) {
      if (!with->targets.empty()) PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator(","));
      PIVOT_ASSIGN_OR_RETURN(std::string name, tokens_.TakeTarget());
      PIVOT_RETURN_IF_ERROR(tokens_.ExpectOperator("="));
      PIVOT_ASSIGN_OR_RETURN(ExpressionPtr value, expressions_.Parse());
      with->targets.push_back({.name = std::move(name)});
      with->values.push_back(std::move(value));
    }
    PIVOT_RETURN_IF_ERROR(EndTag());
    ++scopes_;
    PIVOT_ASSIGN_OR_RETURN(with->body, ParseBody({"endwith"}));
    --scopes_;
    PIVOT_RETURN_IF_ERROR(CloseTag());
    return with;
  }

  ParsedStatement ParseGeneration(int line) {
    StatementPtr scope = Make(StatementKind::kScope, line);
    PIVOT_RETURN_IF_ERROR(EndTag());
    PIVOT_ASSIGN_OR_RETURN(scope->body, ParseScopedBody("endgeneration"));
    return scope;
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int depth_ = 0;
  int loops_ = 0;   // that a jump here would leave
  int scopes_ = 0;  // besides the template's own
};

}  // namespace

absl::StatusOr<Body> ParseTemplate(absl::string_view source) {
  PIVOT_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return StatementParser(std::move(tokens)).ParseAll();
}

}  // namespace pivot::chat

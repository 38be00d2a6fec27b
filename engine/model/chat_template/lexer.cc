// SPDX-License-Identifier: Apache-2.0
#include "engine/model/chat_template/lexer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "engine/model/chat_template/python_text.h"
#include "engine/model/chat_template/string_literal.h"
#include "engine/model/tokenizer/utf8.h"
#include "proto/status/status_macros.h"

namespace pivot::chat {
namespace {

// Longer ones first.
constexpr std::array<absl::string_view, 26> kOperators = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                          "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                          ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

std::string NormalizeLineEnds(absl::string_view source) {
  std::string text = absl::StrReplaceAll(source, {{"\r\n", "\n"}, {"\r", "\n"}});
  if (absl::EndsWith(text, "\n")) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)), rest_(source_) {}

  absl::StatusOr<std::vector<Token>> Run() {
    for (;;) {
      const size_t begin = FindTag();
      absl::string_view data = rest_.substr(0, begin);
      if (begin == rest_.size()) {
        Emit(TokenKind::kData, data);
        Emit(TokenKind::kEnd, "");
        return std::move(tokens_);
      }
      const char kind = rest_[begin + 1];
      const char sign = begin + 2 < rest_.size() ? rest_[begin + 2] : ' ';
      const bool has_sign = sign == '-' || sign == '+';
      Emit(TokenKind::kData, DataBefore(data, kind, has_sign ? sign : ' '));
      Skip(begin + (has_sign ? 3 : 2));
      line_starting_ = false;
      PIVOT_RETURN_IF_ERROR(kind == '#' ? SkipComment() : ReadTag(kind));
    }
  }

 private:
  size_t FindTag() const {
    for (size_t at = rest_.find('{'); at != rest_.npos && at + 1 < rest_.size(); at = rest_.find('{', at + 1)) {
      if (rest_[at + 1] == '%' || rest_[at + 1] == '{' || rest_[at + 1] == '#') return at;
    }
    return rest_.size();
  }

  absl::string_view DataBefore(absl::string_view data, char kind, char sign) const {
    if (sign == '-') return StripRight(data);
    if (sign == '+' || kind == '{') return data;
    const size_t line_end = data.rfind('\n');
    const size_t line_begin = line_end == data.npos ? 0 : line_end + 1;
    if (line_begin == 0 && !line_starting_) return data;
    return StripLeft(data.substr(line_begin)).empty() ? data.substr(0, line_begin) : data;
  }

  void Emit(TokenKind kind, absl::string_view text) {
    if (kind == TokenKind::kData && text.empty()) return;
    tokens_.push_back({.kind = kind, .text = std::string(text), .line = line_});
  }

  /// Goes on behind `size` bytes, counting lines.
  void Skip(size_t size) {
    line_ += static_cast<int>(std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(size), '\n'));
    if (size > 0) line_starting_ = rest_[size - 1] == '\n';
    rest_.remove_prefix(size);
  }

  /// Behind the end of a tag: `-` takes all white space, a block or comment without sign one line end.
  void SkipBehind(char sign, bool trims_line) {
    if (sign == '-') {
      Skip(rest_.size() - StripLeft(rest_).size());
    } else if (sign != '+' && trims_line && absl::StartsWith(rest_, "\n")) {
      Skip(1);
    }
  }

  absl::Status SkipComment() {
    const size_t end = rest_.find("#}");
    if (end == rest_.npos) return TemplateError(line_, "a comment never ends");
    const char sign = end > 0 ? rest_[end - 1] : ' ';
    Skip(end + 2);
    SkipBehind(sign, /*trims_line=*/true);
    return absl::OkStatus();
  }

  absl::Status ReadTag(char kind) {
    const int first_line = line_;
    const bool is_block = kind == '%';
    Emit(is_block ? TokenKind::kBlockBegin : TokenKind::kVariableBegin, "");
    std::string open;  // brackets that are
    for (;;) {
      Skip(rest_.size() - StripLeft(rest_).size());
      if (rest_.empty()) return TemplateError(first_line, "a tag never ends");
      if (open.empty() && ReadEnd(is_block)) return absl::OkStatus();
      PIVOT_RETURN_IF_ERROR(ReadToken(&open));
    }
  }

  bool ReadEnd(bool is_block) {
    const absl::string_view end = is_block ? "%}" : "}}";
    char sign = ' ';
    absl::string_view text = rest_;
    if (absl::StartsWith(text, "-") || (is_block && absl::StartsWith(text, "+"))) {
      sign = text.front();
      text.remove_prefix(1);
    }
    if (!absl::StartsWith(text, end)) return false;
    Emit(is_block ? TokenKind::kBlockEnd : TokenKind::kVariableEnd, "");
    Skip(sign == ' ' ? 2 : 3);
    SkipBehind(sign, is_block);
    return true;
  }

  absl::Status ReadToken(std::string* open) {
    const char first = rest_.front();
    if (first == '"' || first == '\'') return ReadString();
    if (absl::ascii_isdigit(static_cast<unsigned char>(first))) return ReadNumber();
    if (absl::ascii_isalpha(static_cast<unsigned char>(first)) || first == '_') {
      size_t size = 1;
      while (size < rest_.size() &&
             (absl::ascii_isalnum(static_cast<unsigned char>(rest_[size])) || rest_[size] == '_'))
        ++size;
      const absl::string_view name = rest_.substr(0, size);
      if (name == "raw" && tokens_.back().kind == TokenKind::kBlockBegin)
        return TemplateError(line_, "{% raw %} is not supported");
      Emit(TokenKind::kName, name);
      Skip(size);
      return absl::OkStatus();
    }
    for (const absl::string_view text : kOperators) {
      if (absl::StartsWith(rest_, text)) return ReadOperator(text, open);
    }
    return TemplateError(line_, absl::StrCat("nothing begins with \"",
                                             rest_.substr(0, tokenizer::CharacterAt(rest_, 0).num_bytes), "\""));
  }

  absl::Status ReadOperator(absl::string_view text, std::string* open) {
    Emit(TokenKind::kOperator, text);
    if (text == "(" || text == "[" || text == "{") absl::StrAppend(open, text);
    const std::pair<absl::string_view, char> closing[] = {{")", '('}, {"]", '['}, {"}", '{'}};
    for (const auto& [close, matching] : closing) {
      if (text != close) continue;
      if (open->empty() || open->back() != matching)
        return TemplateError(line_, absl::StrCat("unexpected \"", text, "\""));
      open->pop_back();
    }
    Skip(text.size());
    return absl::OkStatus();
  }

  absl::Status ReadString() {
    size_t end = 1;
    while (end < rest_.size() && rest_[end] != rest_.front()) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) return TemplateError(line_, "a string never ends");
    auto text = Unescape(rest_.substr(1, end - 1));
    if (!text.ok()) return TemplateError(line_, text.status().message());
    Emit(TokenKind::kText, *text);
    Skip(end + 1);
    return absl::OkStatus();
  }

  size_t CountDigits(size_t from) const {
    size_t size = from;
    while (size < rest_.size() && (absl::ascii_isdigit(static_cast<unsigned char>(rest_[size])) || rest_[size] == '_'))
      ++size;
    return size - from;
  }

  absl::Status ReadNumber() {
    size_t size = CountDigits(0);
    const bool has_base =
        rest_.front() == '0' && size == 1 && rest_.size() > 1 && absl::StrContains("xXoObB", rest_[1]);
    if (has_base) return TemplateError(line_, "a number with another base than 10 is not supported");
    bool is_float = false;
    const auto has_digit = [this](size_t at) {
      return at < rest_.size() && absl::ascii_isdigit(static_cast<unsigned char>(rest_[at]));
    };
    if (size < rest_.size() && rest_[size] == '.' && has_digit(size + 1)) {
      is_float = true;
      size += 1 + CountDigits(size + 1);
    }
    if (size < rest_.size() && (rest_[size] == 'e' || rest_[size] == 'E')) {
      const size_t sign = size + 1 < rest_.size() && (rest_[size + 1] == '+' || rest_[size + 1] == '-') ? 1 : 0;
      if (has_digit(size + 1 + sign)) {
        is_float = true;
        size += 1 + sign + CountDigits(size + 1 + sign);
      }
    }
    const std::string number = absl::StrReplaceAll(rest_.substr(0, size), {{"_", ""}});
    if (!is_float && number.size() > 1 && number.front() == '0')
      return TemplateError(line_, absl::StrCat("the number ", number, " begins with 0"));
    Emit(is_float ? TokenKind::kFloat : TokenKind::kInteger, number);
    Skip(size);
    return absl::OkStatus();
  }

  std::string source_;
  absl::string_view rest_;
  std::vector<Token> tokens_;
  int line_ = 1;
  bool line_starting_ = true;  // what was read last ends with a line end
};

}  // namespace

absl::Status TemplateError(int line, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", problem));
}

absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view source) { return Lexer(NormalizeLineEnds(source)).Run(); }

}  // namespace pivot::chat

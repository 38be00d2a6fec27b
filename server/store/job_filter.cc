// SPDX-License-Identifier: Apache-2.0
#include "server/store/job_filter.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/store/filter_text.h"

namespace pivot {
namespace {

using Kind = JobFilter::Kind;

constexpr size_t kMaxFilterBytes = 2048;
constexpr size_t kMaxComparisons = 32;
constexpr size_t kMaxDepth = 16;
constexpr size_t kMaxShownBytes = 40;

/// One by itself stays what it is.
JobFilter Join(Kind kind, std::vector<JobFilter> operands) {
  if (operands.size() == 1) return std::move(operands.front());
  return {.kind = kind, .operands = std::move(operands)};
}

/// Recursive descent by the grammar of AIP-160:
///   expression  factor {AND factor}
///   factor      term {OR term}
///   term        [NOT | "-"] simple
///   simple      comparison | "(" expression ")"
class Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  absl::StatusOr<JobFilter> Parse() {
    text_.SkipSpace();
    if (text_.at_end()) return JobFilter{};
    PIVOT_ASSIGN_OR_RETURN(JobFilter filter, ParseExpression());
    if (text_.at_end()) return filter;
    return Unexpected("AND, OR or the end");
  }

 private:
  absl::StatusOr<JobFilter> ParseExpression() { return ParseJoined(Kind::kAnd, "AND", &Parser::ParseFactor); }
  absl::StatusOr<JobFilter> ParseFactor() { return ParseJoined(Kind::kOr, "OR", &Parser::ParseTerm); }

  /// Operands with the word between them; what follows is no space.
  absl::StatusOr<JobFilter> ParseJoined(Kind kind, absl::string_view word,
                                        absl::StatusOr<JobFilter> (Parser::*parse_operand)()) {
    std::vector<JobFilter> operands;
    do {
      text_.SkipSpace();
      PIVOT_ASSIGN_OR_RETURN(JobFilter operand, (this->*parse_operand)());
      operands.push_back(std::move(operand));
      text_.SkipSpace();
    } while (text_.TakeWord(word));
    return Join(kind, std::move(operands));
  }

  absl::StatusOr<JobFilter> ParseTerm() {
    const bool minus = !text_.at_end() && text_.next() == '-';
    if (minus) text_.Skip(1);
    if (!minus && !text_.TakeWord("NOT")) return ParseSimple();
    text_.SkipSpace();
    JobFilter negation{.kind = Kind::kNot};
    PIVOT_ASSIGN_OR_RETURN(negation.operands.emplace_back(), ParseSimple());
    return negation;
  }

  absl::StatusOr<JobFilter> ParseSimple() {
    if (!text_.at_end() && text_.next() == '(') return ParseParenthesized();
    if (++num_comparisons_ > kMaxComparisons) {
      return FilterText::FaultAt(text_.position(),
                                 absl::StrCat("there are more than ", kMaxComparisons, " comparisons"));
    }
    JobFilter filter{.kind = Kind::kComparison};
    PIVOT_ASSIGN_OR_RETURN(filter.comparison, ParseComparison(text_));
    return filter;
  }

  absl::StatusOr<JobFilter> ParseParenthesized() {
    const size_t begin = text_.position();
    if (++depth_ > kMaxDepth) {
      return FilterText::FaultAt(begin, absl::StrCat("parentheses are more than ", kMaxDepth, " deep"));
    }
    text_.Skip(1);
    PIVOT_ASSIGN_OR_RETURN(JobFilter filter, ParseExpression());
    if (text_.at_end() || text_.next() != ')') {
      return Unexpected(absl::StrCat("AND, OR or the ')' to the '(' of character ", begin + 1));
    }
    text_.Skip(1);
    --depth_;
    return filter;
  }

  absl::Status Unexpected(absl::string_view expected) const {
    return FilterText::FaultAt(text_.position(),
                               absl::StrCat(expected, " was expected, not ", text_.Shown(text_.position())));
  }

  FilterText text_;
  size_t num_comparisons_ = 0;
  size_t depth_ = 0;
};

}  // namespace

absl::StatusOr<JobFilter> ParseJobFilter(absl::string_view text) {
  if (text.size() <= kMaxFilterBytes) return Parser(text).Parse();
  return InvalidFilter(absl::StrCat("filter has ", text.size(), " bytes; allowed: ", kMaxFilterBytes));
}

absl::StatusOr<JobOrder> ParseJobOrder(absl::string_view text) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  if (words.empty()) return JobOrder{};
  JobOrder order{.column = nullptr, .descending = words.size() == 2 && words[1] == "desc"};
  if (words[0] == "create_time") order.column = "create_us";
  if (words[0] == "update_time") order.column = "update_us";
  if (words[0] == "priority") order.column = "priority";
  if (order.column != nullptr && (words.size() == 1 || order.descending)) return order;
  return InvalidRequest("order_by",
                        absl::StrCat("order_by is \"", Utf8Tail(text.substr(0, kMaxShownBytes), kMaxShownBytes),
                                     "\"; allowed: create_time, update_time or priority, with or without \" desc\""));
}

}  // namespace pivot

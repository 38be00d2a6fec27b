// SPDX-License-Identifier: Apache-2.0
#include "server/store/job_filter.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "pivot/v1/job.pb.h"

#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"

namespace pivot {
namespace {

using Field = Comparison::Field;
using Operator = Comparison::Operator;

constexpr size_t kMaxFilterBytes = 2048;
constexpr size_t kMaxComparisons = 32;
constexpr size_t kMaxLabelKeyBytes = 63;
constexpr size_t kMaxShownBytes = 40;

// Longer spellings before their beginnings.
constexpr std::array<std::pair<absl::string_view, Operator>, 7> kOperators = {{{"!=", Operator::kNotEqual},
                                                                               {"<=", Operator::kLessOrEqual},
                                                                               {">=", Operator::kGreaterOrEqual},
                                                                               {"=", Operator::kEqual},
                                                                               {"<", Operator::kLess},
                                                                               {">", Operator::kGreater},
                                                                               {":", Operator::kHas}}};

// labels alone is the left side of labels:KEY.
constexpr std::array<std::pair<absl::string_view, Field>, 5> kFields = {{{"state", Field::kState},
                                                                         {"priority", Field::kPriority},
                                                                         {"create_time", Field::kCreateTime},
                                                                         {"update_time", Field::kUpdateTime},
                                                                         {"labels", Field::kLabel}}};

bool IsWordByte(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("_./-", c); }

/// A filter from left to right.
class Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  absl::StatusOr<JobFilter> Parse() {
    JobFilter filter;
    SkipSpace();
    if (AtEnd()) return filter;
    filter.emplace_back();
    while (true) {
      if (++num_comparisons_ > kMaxComparisons) {
        return FaultAt(position_, absl::StrCat("there are more than ", kMaxComparisons, " comparisons"));
      }
      PIVOT_ASSIGN_OR_RETURN(Comparison comparison, ParseComparison());
      filter.back().push_back(std::move(comparison));
      SkipSpace();
      if (AtEnd()) return filter;
      const size_t begin = position_;
      const absl::string_view word = Word();
      if (word == "AND") {
        filter.emplace_back();
      } else if (word != "OR") {
        return FaultAt(begin, absl::StrCat("AND, OR or the end was expected, not ", Shown(begin)));
      }
      SkipSpace();
    }
  }

 private:
  absl::StatusOr<Comparison> ParseComparison() {
    Comparison comparison;
    PIVOT_RETURN_IF_ERROR(ParseField(&comparison));
    SkipSpace();
    PIVOT_RETURN_IF_ERROR(ParseOperator(&comparison));
    SkipSpace();
    const size_t begin = position_;
    PIVOT_ASSIGN_OR_RETURN(std::string value, ParseValue());
    PIVOT_RETURN_IF_ERROR(TakeValue(begin, std::move(value), &comparison));
    return comparison;
  }

  absl::Status ParseField(Comparison* comparison) {
    const size_t begin = position_;
    const absl::string_view word = Word();
    for (const auto& [name, field] : kFields) {
      if (word != name) continue;
      comparison->field = field;
      return absl::OkStatus();
    }
    absl::string_view key = word;
    if (!absl::ConsumePrefix(&key, "labels.")) {
      return FaultAt(begin, absl::StrCat(Shown(begin), " is no field; allowed: state, priority, create_time, ",
                                         "update_time, labels.KEY, labels:KEY"));
    }
    comparison->field = Field::kLabel;
    return TakeKey(begin, key, comparison);
  }

  absl::Status TakeKey(size_t begin, absl::string_view key, Comparison* comparison) const {
    comparison->key = std::string(key);
    if (IsLabelKey(key)) return absl::OkStatus();
    return FaultAt(begin, absl::StrCat(Shown(begin), " has no key of 1 to 63 characters of a-z, 0-9, _ . / -"));
  }

  absl::Status ParseOperator(Comparison* comparison) {
    const size_t begin = position_;
    for (const auto& [spelling, op] : kOperators) {
      if (!absl::StartsWith(text_.substr(position_), spelling)) continue;
      position_ += spelling.size();
      comparison->op = op;
      return CheckOperator(begin, *comparison);
    }
    return FaultAt(begin, absl::StrCat("an operator was expected, not ", Shown(begin)));
  }

  absl::Status CheckOperator(size_t begin, const Comparison& comparison) const {
    const bool equality = comparison.op == Operator::kEqual || comparison.op == Operator::kNotEqual;
    const bool has = comparison.op == Operator::kHas;
    switch (comparison.field) {
      case Field::kState:
        return equality ? absl::OkStatus() : FaultAt(begin, "a state is compared with = or !=");
      case Field::kPriority:
        return !has ? absl::OkStatus() : FaultAt(begin, "a priority is compared with =, !=, <, <=, > or >=");
      case Field::kCreateTime:
      case Field::kUpdateTime:
        return !has && !equality ? absl::OkStatus() : FaultAt(begin, "a time is compared with <, <=, > or >=");
      case Field::kLabel:
        if (has == comparison.key.empty() && (has || equality)) return absl::OkStatus();
        return FaultAt(begin, "a label is written labels.KEY = \"value\", labels.KEY != \"value\" or labels:KEY");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ParseValue() {
    const size_t begin = position_;
    if (AtEnd()) return FaultAt(begin, "a value was expected, not the end");
    if (text_[position_] != '"') {
      const absl::string_view word = Word();
      if (word.empty()) return FaultAt(begin, absl::StrCat("a value was expected, not ", Shown(begin)));
      return std::string(word);
    }
    std::string value;
    for (++position_; !AtEnd() && text_[position_] != '"'; ++position_) {
      if (text_[position_] == '\\') ++position_;
      if (AtEnd()) break;
      value += text_[position_];
    }
    if (AtEnd()) return FaultAt(begin, "the quoted value has no end");
    ++position_;
    return value;
  }

  absl::Status TakeValue(size_t begin, std::string value, Comparison* comparison) const {
    switch (comparison->field) {
      case Field::kState:
        return TakeState(begin, value, comparison);
      case Field::kPriority:
        if (absl::SimpleAtoi(value, &comparison->number)) return absl::OkStatus();
        return FaultAt(begin, absl::StrCat(Shown(begin), " is not a whole number"));
      case Field::kCreateTime:
      case Field::kUpdateTime: {
        absl::Time time;
        if (!absl::ParseTime(absl::RFC3339_full, value, &time, nullptr) || time == absl::InfiniteFuture() ||
            time == absl::InfinitePast()) {
          return FaultAt(begin, absl::StrCat(Shown(begin), " is not a time like \"2026-01-31T12:00:00Z\""));
        }
        comparison->number = absl::ToUnixMicros(time);
        return absl::OkStatus();
      }
      case Field::kLabel:
        if (comparison->op != Operator::kHas) {
          comparison->text = std::move(value);
          return absl::OkStatus();
        }
        return TakeKey(begin, value, comparison);
    }
    return absl::OkStatus();
  }

  absl::Status TakeState(size_t begin, const std::string& value, Comparison* comparison) const {
    v1::State state = v1::STATE_UNSPECIFIED;
    if (v1::State_Parse(absl::StrCat("STATE_", value), &state) && state != v1::STATE_UNSPECIFIED) {
      comparison->number = state;
      return absl::OkStatus();
    }
    std::string allowed;
    for (int number = 1; number <= v1::State_MAX; ++number) {
      absl::StrAppend(&allowed, number == 1 ? "" : ", ", StateText(static_cast<v1::State>(number)));
    }
    return FaultAt(begin, absl::StrCat(Shown(begin), " is no state; allowed: ", allowed));
  }

  bool AtEnd() const { return position_ >= text_.size(); }
  void SkipSpace() {
    while (!AtEnd() && absl::ascii_isspace(static_cast<unsigned char>(text_[position_]))) ++position_;
  }
  absl::string_view Word() {
    const size_t begin = position_;
    while (!AtEnd() && IsWordByte(text_[position_])) ++position_;
    return text_.substr(begin, position_ - begin);
  }

  /// What stands there, for a message.
  std::string Shown(size_t begin) const {
    if (begin >= text_.size()) return "the end";
    size_t end = begin;
    while (end < text_.size() && IsWordByte(text_[end])) ++end;
    if (end == begin) end = std::min(text_.find_first_of(" \t\r\n", begin), text_.size());
    return absl::StrCat("'", Utf8Tail(text_.substr(begin, std::min(end - begin, kMaxShownBytes)), kMaxShownBytes), "'");
  }
  static absl::Status FaultAt(size_t position, absl::string_view message) {
    return InvalidFilter(absl::StrCat("filter, character ", position + 1, ": ", message));
  }

  const absl::string_view text_;
  size_t position_ = 0;
  size_t num_comparisons_ = 0;
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

bool IsLabelKey(absl::string_view key) {
  return !key.empty() && key.size() <= kMaxLabelKeyBytes && std::all_of(key.begin(), key.end(), [](char c) {
    return IsWordByte(c) && !absl::ascii_isupper(static_cast<unsigned char>(c));
  });
}

}  // namespace pivot

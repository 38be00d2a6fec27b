// SPDX-License-Identifier: Apache-2.0
#include "server/store/comparison.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "pivot/v1/job.pb.h"

#include "proto/status/status_macros.h"
#include "server/convert.h"

namespace pivot {
namespace {

using Field = Comparison::Field;
using Operator = Comparison::Operator;

constexpr size_t kMaxLabelKeyBytes = 63;

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

class Parser {
 public:
  explicit Parser(FilterText& text) : text_(text) {}

  absl::StatusOr<Comparison> Parse() {
    Comparison comparison;
    PIVOT_RETURN_IF_ERROR(ParseField(&comparison));
    text_.SkipSpace();
    PIVOT_RETURN_IF_ERROR(ParseOperator(&comparison));
    text_.SkipSpace();
    const size_t begin = text_.position();
    PIVOT_ASSIGN_OR_RETURN(std::string value, ParseValue());
    PIVOT_RETURN_IF_ERROR(TakeValue(begin, std::move(value), &comparison));
    return comparison;
  }

 private:
  absl::Status ParseField(Comparison* comparison) {
    const size_t begin = text_.position();
    const absl::string_view word = text_.Word();
    for (const auto& [name, field] : kFields) {
      if (word != name) continue;
      comparison->field = field;
      return absl::OkStatus();
    }
    absl::string_view key = word;
    if (!absl::ConsumePrefix(&key, "labels.")) {
      return FilterText::FaultAt(
          begin, absl::StrCat(text_.Shown(begin), " is no field; allowed: state, priority, create_time, ",
                              "update_time, labels.KEY, labels:KEY"));
    }
    comparison->field = Field::kLabel;
    return TakeKey(begin, key, comparison);
  }

  absl::Status TakeKey(size_t begin, absl::string_view key, Comparison* comparison) const {
    comparison->key = std::string(key);
    if (IsLabelKey(key)) return absl::OkStatus();
    return FilterText::FaultAt(
        begin, absl::StrCat(text_.Shown(begin), " has no key of 1 to 63 characters of a-z, 0-9, _ . / -"));
  }

  absl::Status ParseOperator(Comparison* comparison) {
    const size_t begin = text_.position();
    for (const auto& [spelling, op] : kOperators) {
      if (!absl::StartsWith(text_.rest(), spelling)) continue;
      text_.Skip(spelling.size());
      comparison->op = op;
      return CheckOperator(begin, *comparison);
    }
    return FilterText::FaultAt(begin, absl::StrCat("an operator was expected, not ", text_.Shown(begin)));
  }

  absl::Status CheckOperator(size_t begin, const Comparison& comparison) const {
    const bool equality = comparison.op == Operator::kEqual || comparison.op == Operator::kNotEqual;
    const bool has = comparison.op == Operator::kHas;
    switch (comparison.field) {
      case Field::kState:
        return equality ? absl::OkStatus() : FilterText::FaultAt(begin, "a state is compared with = or !=");
      case Field::kPriority:
        return !has ? absl::OkStatus()
                    : FilterText::FaultAt(begin, "a priority is compared with =, !=, <, <=, > or >=");
      case Field::kCreateTime:
      case Field::kUpdateTime:
        return !has && !equality ? absl::OkStatus()
                                 : FilterText::FaultAt(begin, "a time is compared with <, <=, > or >=");
      case Field::kLabel:
        if (has == comparison.key.empty() && (has || equality)) return absl::OkStatus();
        return FilterText::FaultAt(begin,
                                   "a label is written labels.KEY = \"value\", labels.KEY != \"value\" or labels:KEY");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ParseValue() {
    const size_t begin = text_.position();
    if (text_.at_end()) return FilterText::FaultAt(begin, "a value was expected, not the end");
    if (text_.next() != '"') {
      const absl::string_view word = text_.Word();
      if (word.empty())
        return FilterText::FaultAt(begin, absl::StrCat("a value was expected, not ", text_.Shown(begin)));
      return std::string(word);
    }
    std::string value;
    for (text_.Skip(1); !text_.at_end() && text_.next() != '"'; text_.Skip(1)) {
      if (text_.next() == '\\') text_.Skip(1);
      if (text_.at_end()) break;
      value += text_.next();
    }
    if (text_.at_end()) return FilterText::FaultAt(begin, "the quoted value has no end");
    text_.Skip(1);
    return value;
  }

  absl::Status TakeValue(size_t begin, std::string value, Comparison* comparison) const {
    switch (comparison->field) {
      case Field::kState:
        return TakeState(begin, value, comparison);
      case Field::kPriority:
        if (absl::SimpleAtoi(value, &comparison->number)) return absl::OkStatus();
        return FilterText::FaultAt(begin, absl::StrCat(text_.Shown(begin), " is not a whole number"));
      case Field::kCreateTime:
      case Field::kUpdateTime: {
        absl::Time time;
        if (!absl::ParseTime(absl::RFC3339_full, value, &time, nullptr) || time == absl::InfiniteFuture() ||
            time == absl::InfinitePast()) {
          return FilterText::FaultAt(begin,
                                     absl::StrCat(text_.Shown(begin), " is not a time like \"2026-01-31T12:00:00Z\""));
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
    return FilterText::FaultAt(begin, absl::StrCat(text_.Shown(begin), " is no state; allowed: ", allowed));
  }

  FilterText& text_;
};

}  // namespace

absl::StatusOr<Comparison> ParseComparison(FilterText& text) { return Parser(text).Parse(); }

bool IsLabelKey(absl::string_view key) {
  return !key.empty() && key.size() <= kMaxLabelKeyBytes && std::all_of(key.begin(), key.end(), [](char c) {
    return IsWordByte(c) && !absl::ascii_isupper(static_cast<unsigned char>(c));
  });
}

}  // namespace pivot

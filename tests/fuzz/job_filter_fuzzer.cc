// SPDX-License-Identifier: Apache-2.0
// A filter of ListJobs: what is accepted keeps its bounds, and written out anew it is read as the same filter.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "pivot/v1/job.pb.h"

#include "proto/status/reason.h"
#include "server/convert.h"
#include "server/store/job_filter.h"
#include "tests/fuzz/require.h"

namespace {

using pivot::Comparison;
using pivot::JobFilter;

const char* SpellingOf(Comparison::Operator op) {
  constexpr const char* kSpellings[] = {" = ", " != ", " < ", " <= ", " > ", " >= ", ":"};
  return kSpellings[static_cast<size_t>(op)];
}

std::string Written(const Comparison& comparison) {
  const std::string op = SpellingOf(comparison.op);
  const auto time = [&] {
    return absl::StrCat(
        "\"", absl::FormatTime(absl::RFC3339_full, absl::FromUnixMicros(comparison.number), absl::UTCTimeZone()), "\"");
  };
  switch (comparison.field) {
    case Comparison::Field::kState:
      return absl::StrCat("state", op, pivot::StateText(static_cast<pivot::v1::State>(comparison.number)));
    case Comparison::Field::kPriority:
      return absl::StrCat("priority", op, comparison.number);
    case Comparison::Field::kCreateTime:
      return absl::StrCat("create_time", op, time());
    case Comparison::Field::kUpdateTime:
      return absl::StrCat("update_time", op, time());
    case Comparison::Field::kLabel:
      break;
  }
  if (comparison.op == Comparison::Operator::kHas) return absl::StrCat("labels:", comparison.key);
  return absl::StrCat("labels.", comparison.key, op, "\"",
                      absl::StrReplaceAll(comparison.text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

struct Counts {
  int comparisons = 0;
  int deepest = 0;
};

std::string Written(const JobFilter& filter, int depth, Counts* counts) {
  counts->deepest = std::max(counts->deepest, depth);
  if (filter.kind == JobFilter::Kind::kAll) return "";
  if (filter.kind == JobFilter::Kind::kComparison) {
    ++counts->comparisons;
    PIVOT_REQUIRE(filter.operands.empty());
    return Written(filter.comparison);
  }
  const bool negates = filter.kind == JobFilter::Kind::kNot;
  PIVOT_REQUIRE(negates ? filter.operands.size() == 1 : filter.operands.size() > 1);
  std::string text = negates ? "NOT " : "(";
  for (size_t i = 0; i < filter.operands.size(); ++i) {
    if (i > 0) text += filter.kind == JobFilter::Kind::kAnd ? " AND " : " OR ";
    const JobFilter& operand = filter.operands[i];
    // NOT binds to one comparison or to parentheses.
    const bool bare = negates && operand.kind == JobFilter::Kind::kNot;
    text += (bare ? "(" : "") + Written(operand, depth + 1, counts) + (bare ? ")" : "");
  }
  return text + (negates ? "" : ")");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto filter = pivot::ParseJobFilter({reinterpret_cast<const char*>(data), size});
  if (!filter.ok()) {
    PIVOT_REQUIRE(pivot::ReasonOf(filter.status()) == "INVALID_FILTER");
    return 0;
  }
  Counts counts;
  const std::string text = Written(*filter, 0, &counts);
  // A level of parentheses is one of AND, one of OR and one of NOT at most.
  PIVOT_REQUIRE(size <= 2048 && counts.comparisons <= 32 && counts.deepest <= 3 * 17);
  const auto again = pivot::ParseJobFilter(text);
  // Written out, with every pair of parentheses, it may be too long or too deep.
  if (!again.ok()) {
    PIVOT_REQUIRE(text.size() > 2048 || counts.deepest > 8);
    return 0;
  }
  Counts same;
  PIVOT_REQUIRE(Written(*again, 0, &same) == text);
  return 0;
}

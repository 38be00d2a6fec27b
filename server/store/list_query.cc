// SPDX-License-Identifier: Apache-2.0
#include "server/store/list_query.h"

#include <optional>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Field = Comparison::Field;
using Operator = Comparison::Operator;

// So many rows are looked up and sorted in less time than a hundred thousand are passed over.
constexpr int64_t kFew = 2000;

const char* SqlOf(Operator op) {
  switch (op) {
    case Operator::kNotEqual:
      return "!=";
    case Operator::kLess:
      return "<";
    case Operator::kLessOrEqual:
      return "<=";
    case Operator::kGreater:
      return ">";
    case Operator::kGreaterOrEqual:
      return ">=";
    default:
      return "=";
  }
}

const char* ColumnOf(Field field) {
  switch (field) {
    case Field::kPriority:
      return "priority";
    case Field::kCreateTime:
      return "create_us";
    case Field::kUpdateTime:
      return "update_us";
    default:
      return "state";
  }
}

/// Of rows of the table label.
std::string LabelCondition(const Comparison& comparison, SqlText& sql) {
  const std::string key = absl::StrCat("key = ", sql.Bind(comparison.key));
  return comparison.op == Operator::kHas ? key : absl::StrCat(key, " AND value = ", sql.Bind(comparison.text));
}

std::string ConditionOf(const Comparison& comparison, SqlText& sql) {
  if (comparison.field != Field::kLabel) {
    return absl::StrCat(ColumnOf(comparison.field), " ", SqlOf(comparison.op), " ", sql.Bind(comparison.number));
  }
  return absl::StrCat(comparison.op == Operator::kNotEqual ? "NOT " : "",
                      "EXISTS (SELECT 1 FROM label WHERE job_uid = job.uid AND ", LabelCondition(comparison, sql), ")");
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the filter, which has a bound
std::string ConditionOf(const JobFilter& filter, SqlText& sql) {
  if (filter.kind == JobFilter::Kind::kAll) return "TRUE";
  if (filter.kind == JobFilter::Kind::kComparison) return ConditionOf(filter.comparison, sql);
  if (filter.kind == JobFilter::Kind::kNot) {
    return absl::StrCat("NOT (", ConditionOf(filter.operands.front(), sql), ")");
  }
  std::string condition = "(";
  const char* joint = "";
  for (const JobFilter& operand : filter.operands) {
    absl::StrAppend(&condition, joint, ConditionOf(operand, sql));
    joint = filter.kind == JobFilter::Kind::kAnd ? " AND " : " OR ";
  }
  return condition + ")";
}

/// States, labels and least times of update that every job of the list has.
std::vector<const Comparison*> RequiredBy(const JobFilter& filter) {
  std::vector<const Comparison*> required;
  const auto add = [&](const JobFilter& part) {
    const Comparison& comparison = part.comparison;
    const bool is_label = comparison.field == Field::kLabel && comparison.op != Operator::kNotEqual;
    const bool is_state = comparison.field == Field::kState && comparison.op == Operator::kEqual;
    const bool is_update = comparison.field == Field::kUpdateTime &&
                           (comparison.op == Operator::kGreater || comparison.op == Operator::kGreaterOrEqual);
    if (part.kind == JobFilter::Kind::kComparison && (is_label || is_state || is_update))
      required.push_back(&comparison);
  };
  add(filter);
  if (filter.kind == JobFilter::Kind::kAnd) {
    for (const JobFilter& operand : filter.operands) add(operand);
  }
  return required;
}

/// Whether few jobs have it; of a label, few of all projects.
absl::StatusOr<bool> AreFew(Database& database, absl::string_view project, const Comparison& comparison) {
  SqlText sql;
  std::string rows;
  if (comparison.field == Field::kLabel) {
    rows = absl::StrCat("label WHERE ", LabelCondition(comparison, sql));
  } else {
    rows = absl::StrCat("job INDEXED BY ", comparison.field == Field::kState ? "job_by_state" : "job_by_update",
                        " WHERE project = ", sql.Bind(std::string(project)));
    absl::StrAppend(&rows, " AND ", ConditionOf(comparison, sql));
  }
  const std::string limit = sql.Bind(kFew + 1);
  Statement row =
      database.QueryOnce(absl::StrCat("SELECT count(*) FROM (SELECT 1 FROM ", rows, " LIMIT ", limit, ")"), sql.values);
  PIVOT_RETURN_IF_ERROR(row.Step().status());
  return row.Integer(0) <= kFew;
}

absl::string_view IndexOf(const JobOrder& order) {
  const absl::string_view column = order.column;
  if (column == "priority") return "job_by_priority";
  return column == "update_us" ? "job_by_update" : "job_by_age";
}

absl::StatusOr<std::string> TablesFor(Database& database, absl::string_view project, const JobFilter& filter,
                                      const JobOrder& order, SqlText& sql) {
  absl::string_view index = IndexOf(order);
  for (const Comparison* comparison : RequiredBy(filter)) {
    PIVOT_ASSIGN_OR_RETURN(const bool few, AreFew(database, project, *comparison));
    if (few && comparison->field == Field::kLabel) {
      return absl::StrCat("(SELECT job_uid AS labelled FROM label WHERE ", LabelCondition(*comparison, sql),
                          ") CROSS JOIN job ON job.uid = labelled");
    }
    // In the order of age the index of a state serves also one that many have.
    if (comparison->field == Field::kUpdateTime && few) index = "job_by_update";
    if (comparison->field == Field::kState && (few || index == "job_by_age")) index = "job_by_state";
  }
  return absl::StrCat("job INDEXED BY ", index);
}

}  // namespace

absl::Status AppendSource(Database& database, absl::string_view project, const JobFilter& filter, const JobOrder& order,
                          SqlText& sql) {
  PIVOT_ASSIGN_OR_RETURN(const std::string tables, TablesFor(database, project, filter, order, sql));
  absl::StrAppend(&sql.text, "FROM ", tables, " WHERE project = ", sql.Bind(std::string(project)));
  absl::StrAppend(&sql.text, " AND ", ConditionOf(filter, sql));
  return absl::OkStatus();
}

}  // namespace pivot

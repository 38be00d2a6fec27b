// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_JOB_FILTER_H_
#define PIVOT_SERVER_STORE_JOB_FILTER_H_

// ListJobsRequest.filter and order_by, parsed.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot {

struct Comparison {
  enum class Field { kState, kPriority, kCreateTime, kUpdateTime, kLabel };
  enum class Operator { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kHas };
  Field field = Field::kState;
  Operator op = Operator::kEqual;
  int64_t number = 0;  // a state, a priority, or microseconds since 1970 UTC
  std::string key;     // of a label
  std::string text;    // its value
};

/// Jobs for which one comparison of each list holds.
using JobFilter = std::vector<std::vector<Comparison>>;

/// kInvalidArgument INVALID_FILTER, with the place and what is allowed there.
absl::StatusOr<JobFilter> ParseJobFilter(absl::string_view text);

struct JobOrder {
  const char* column = "create_us";  // of the table job
  bool descending = true;
};

/// kInvalidArgument INVALID_REQUEST.
absl::StatusOr<JobOrder> ParseJobOrder(absl::string_view text);

/// [a-z0-9_./-]{1,63}
bool IsLabelKey(absl::string_view key);

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_JOB_FILTER_H_

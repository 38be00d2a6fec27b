// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_JOB_FILTER_H_
#define PIVOT_SERVER_STORE_JOB_FILTER_H_

// ListJobsRequest.filter and order_by, parsed.

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "server/store/comparison.h"

namespace pivot {

/// Which jobs: a tree of comparisons.
struct JobFilter {
  enum class Kind { kAll, kComparison, kNot, kAnd, kOr };
  Kind kind = Kind::kAll;
  Comparison comparison;
  std::vector<JobFilter> operands;  // of kNot one, of kAnd and kOr two or more
};

/// Of AIP-160: comparisons joined by AND and by OR, which binds closer; NOT or "-" before one, or before parentheses.
/// At most 2,048 bytes, 32 comparisons, and parentheses 16 deep. Blank: kAll. kInvalidArgument INVALID_FILTER, with the
/// place and what is allowed there.
absl::StatusOr<JobFilter> ParseJobFilter(absl::string_view text);

struct JobOrder {
  const char* column = "create_us";  // of the table job
  bool descending = true;
};

/// kInvalidArgument INVALID_REQUEST.
absl::StatusOr<JobOrder> ParseJobOrder(absl::string_view text);

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_JOB_FILTER_H_

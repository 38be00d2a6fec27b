// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_BENCHMARKS_SERVER_BULK_JOBS_H_
#define PIVOT_TESTS_BENCHMARKS_SERVER_BULK_JOBS_H_

// A server's database with very many jobs and events, made in seconds: a job that the store created, copied by SQL.

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pivot {

inline constexpr char kLoadProject[] = "load";
/// Label of every tenth job, and of one in ten thousand.
inline constexpr char kCommonLabel[] = "team";
inline constexpr char kRareLabel[] = "rare";

struct BulkJobs {
  int jobs = 0;
  int events_each = 1;
  /// Of the copies: all waiting, or 90 % SUCCEEDED, 5 % CANCELLED, 4 % FAILED, 1 % SUSPENDED.
  enum class States { kQueued, kMixed };
  States states = States::kMixed;
};

/// A plan like that of a model with 30 decoder blocks, as pivot-probe prints it.
std::string LargePlanJson();

/// Makes `data`/pivot.db. No server may use it.
absl::Status FillDatabase(const std::string& data, const BulkJobs& bulk);

}  // namespace pivot

#endif  // PIVOT_TESTS_BENCHMARKS_SERVER_BULK_JOBS_H_

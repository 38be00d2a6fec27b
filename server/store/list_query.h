// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_LIST_QUERY_H_
#define PIVOT_SERVER_STORE_LIST_QUERY_H_

// A list of jobs as a statement that reads few rows more than it gives.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "server/store/job_filter.h"
#include "server/store/sqlite.h"

namespace pivot {

struct SqlText {
  std::string text;
  std::vector<std::variant<int64_t, std::string>> values;

  /// The parameter that stands for the value.
  template <typename Value>
  std::string Bind(const Value& value) {
    values.emplace_back(std::in_place_type<Value>, value);
    return "?" + std::to_string(values.size());
  }
};

/// Appends "FROM tables WHERE conditions". Of what all jobs of the list have in common the rarest decides what is read:
/// jobs of a label or state that few have, or updated lately, else the index of the list's order.
absl::Status AppendSource(Database& database, absl::string_view project, const JobFilter& filter, const JobOrder& order,
                          SqlText& sql);

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_LIST_QUERY_H_

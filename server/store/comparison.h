// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_COMPARISON_H_
#define PIVOT_SERVER_STORE_COMPARISON_H_

// One comparison of a job with a value, as filters have them.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "server/store/filter_text.h"

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

/// Takes a field, an operator and a value from where `text` is. kInvalidArgument INVALID_FILTER, with the place and
/// what is allowed there.
absl::StatusOr<Comparison> ParseComparison(FilterText& text);

/// [a-z0-9_./-]{1,63}
bool IsLabelKey(absl::string_view key);

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_COMPARISON_H_

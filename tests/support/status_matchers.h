// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SUPPORT_STATUS_MATCHERS_H_
#define PIVOT_TESTS_SUPPORT_STATUS_MATCHERS_H_

// gMock matchers for absl::Status and absl::StatusOr.

#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pivot {

inline absl::Status StatusOf(const absl::Status& status) { return status; }
template <typename T>
absl::Status StatusOf(const absl::StatusOr<T>& value) {
  return value.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

/// A status of this code whose message matches.
MATCHER_P2(StatusIs, code, message_matcher, "is a status of the expected code and message") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         ::testing::Value(std::string(StatusOf(arg).message()), ::testing::Matcher<std::string>(message_matcher));
}

}  // namespace pivot

#define EXPECT_OK(expression) EXPECT_THAT(expression, ::pivot::IsOk())
#define ASSERT_OK(expression) ASSERT_THAT(expression, ::pivot::IsOk())
/// ASSERT_OK_AND_ASSIGN(declaration, expression of type absl::StatusOr<T>);
#define ASSERT_OK_AND_ASSIGN(declaration, expression) \
  PIVOT_ASSERT_OK_AND_ASSIGN_IMPL(PIVOT_TEST_CONCAT(status_or_, __LINE__), declaration, expression)
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses.
#define PIVOT_ASSERT_OK_AND_ASSIGN_IMPL(temporary, declaration, expression) \
  auto temporary = (expression);                                            \
  ASSERT_THAT(temporary, ::pivot::IsOk());                                  \
  declaration = *std::move(temporary)
// NOLINTEND(bugprone-macro-parentheses)
#define PIVOT_TEST_CONCAT(a, b) PIVOT_TEST_CONCAT_IMPL(a, b)
#define PIVOT_TEST_CONCAT_IMPL(a, b) a##b

#endif  // PIVOT_TESTS_SUPPORT_STATUS_MATCHERS_H_

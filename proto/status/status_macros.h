// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_STATUS_STATUS_MACROS_H_
#define PIVOT_PROTO_STATUS_STATUS_MACROS_H_

// Early return on a status that is not OK.

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

/// PIVOT_RETURN_IF_ERROR(expression of type absl::Status);
#define PIVOT_RETURN_IF_ERROR(expression)                                                  \
  do {                                                                                     \
    if (absl::Status pivot_status = (expression); !pivot_status.ok()) return pivot_status; \
  } while (false)

/// PIVOT_ASSIGN_OR_RETURN(declaration, expression of type absl::StatusOr<T>);
#define PIVOT_ASSIGN_OR_RETURN(declaration, expression) \
  PIVOT_ASSIGN_OR_RETURN_IMPL(PIVOT_STATUS_CONCAT(pivot_status_or_, __LINE__), declaration, expression)

#define PIVOT_ASSIGN_OR_RETURN_IMPL(temporary, declaration, expression) \
  auto temporary = (expression);                                        \
  if (!temporary.ok()) return std::move(temporary).status();            \
  declaration = *std::move(temporary)

#define PIVOT_STATUS_CONCAT(a, b) PIVOT_STATUS_CONCAT_IMPL(a, b)
#define PIVOT_STATUS_CONCAT_IMPL(a, b) a##b

#endif  // PIVOT_PROTO_STATUS_STATUS_MACROS_H_

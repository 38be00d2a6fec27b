// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_UNITS_H_
#define PIVOT_CLIENT_VIEW_UNITS_H_

// Quantities as people read them, and how wide texts are on a terminal.

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

#include "proto/text/quantity.h"  // IWYU pragma: export

namespace pivot::client {

/// Columns that UTF-8 text takes, each code point as one.
size_t DisplayWidth(absl::string_view text);

/// At most `columns` of it.
std::string CutToWidth(absl::string_view text, size_t columns);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_UNITS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_CSV_FILE_H_
#define PIVOT_ENGINE_CALIBRATION_CSV_FILE_H_

// One column of a table in text.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot {

/// The fields of the column whose name in the first row is `column`, row by row. `separator` is ',' or a tab.
///
/// Source: RFC 4180: a field in double quotes may hold separators, line ends and, doubled, double quotes. Lines may end
///         with LF alone, empty lines are skipped, a byte order mark is too.
/// Errors: kInvalidArgument (reason INVALID_TEXT) naming the line: no such column (the others are listed), a row with
///         more or fewer fields than the first, a quote within or not at the end of a field.
absl::StatusOr<std::vector<std::string>> ReadCsvColumn(absl::string_view text, char separator,
                                                       absl::string_view column);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_CSV_FILE_H_

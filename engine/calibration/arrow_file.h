// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_ARROW_FILE_H_
#define PIVOT_ENGINE_CALIBRATION_ARROW_FILE_H_

// Parquet and Arrow files, row by row.

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pivot {

/// Calls `row` with a JSON object for each row, which has those of `columns` that the file has; what it returns ends
/// the reading when it is not OK. Parquet, Arrow IPC (Feather 2) and Arrow's stream format are told apart by their
/// first bytes.
///
/// Loads lib/libpivot_arrow.so beside the executable's folder and Arrow's libraries, those of the folder that
/// PIVOT_ARROW_LIB or else share/pivot/arrow.path names.
/// Errors: kFailedPrecondition (reason ARROW_NOT_FOUND) when they are not there, saying how to install them;
///         kInvalidArgument (reason INVALID_TEXT) for a file that breaks its format.
absl::Status ReadArrowFile(const std::string& path, const std::vector<std::string>& columns,
                           absl::FunctionRef<absl::Status(absl::string_view json)> row);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_ARROW_FILE_H_

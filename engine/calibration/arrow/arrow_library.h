// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_ARROW_ARROW_LIBRARY_H_
#define PIVOT_ENGINE_CALIBRATION_ARROW_ARROW_LIBRARY_H_

// The border to libpivot_arrow.so, which alone links Arrow's C++ libraries: they come with PyPI's `pyarrow` and are
// loaded when a file needs them. Plain C, so that the two sides may be built with different libraries.

#include <cstddef>

extern "C" {

/// Changes whenever PivotArrowLibrary does.
inline constexpr int kPivotArrowVersion = 1;

/// Gets each row in order, a JSON object; not zero ends the reading. What is passed lives as long as the call.
typedef int (*PivotArrowRow)(void* context, const char* json, size_t size);

struct PivotArrowRequest {
  const char* path;
  const char* const* columns;
  size_t num_columns;
  PivotArrowRow row;
  void* context;  // for `row`
  char* error;    // a text of what is wrong, cut to `error_size` bytes with its NUL
  size_t error_size;
};

struct PivotArrowLibrary {
  int version;
  /// Reads those of the columns that a Parquet file, an Arrow IPC file or an Arrow IPC stream has. Reads nothing else
  /// of a Parquet file. 0; 1 with a text in `error`; 2 when `row` ended it.
  int (*read)(const PivotArrowRequest* request);
};

/// What the library exports.
const PivotArrowLibrary* pivot_arrow_library();

}  // extern "C"

#endif  // PIVOT_ENGINE_CALIBRATION_ARROW_ARROW_LIBRARY_H_

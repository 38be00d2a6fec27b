// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_ARROW_VALUE_JSON_H_
#define PIVOT_ENGINE_CALIBRATION_ARROW_VALUE_JSON_H_

// Values of Arrow as JSON. Part of libpivot_arrow.so.

#include <arrow/api.h>
#include <cstdint>

#include <nlohmann/json.hpp>

namespace pivot {

/// The value at `row`: texts, booleans, integers, floats, null, lists and structs of them, and dictionaries of texts.
/// NotImplemented for other types, by name.
arrow::Result<nlohmann::ordered_json> ValueJson(const arrow::Array& array, int64_t row);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_ARROW_VALUE_JSON_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_UNSUPPORTED_H_
#define PIVOT_ENGINE_FORMAT_UNSUPPORTED_H_

// What is said of a quantization_config that is not read.

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "proto/status/reason.h"

namespace pivot {

/// "config.json: quantization_config PROBLEM": kInvalidArgument with reason UNSUPPORTED_CHECKPOINT.
inline absl::Status UnsupportedConfig(absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat("config.json: quantization_config ", problem)),
                    "UNSUPPORTED_CHECKPOINT");
}

/// The same of a value that has the wrong type.
inline absl::Status UnreadableConfig(const absl::Status& status) {
  return UnsupportedConfig(absl::StrCat("cannot be read: ", status.message()));
}

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_UNSUPPORTED_H_

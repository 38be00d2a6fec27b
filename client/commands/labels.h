// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_COMMANDS_LABELS_H_
#define PIVOT_CLIENT_COMMANDS_LABELS_H_

// Labels and filters on the command line.

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pivot::client {

/// Of "KEY=VALUE" each. A usage error for anything else, and for a key that comes twice.
absl::StatusOr<std::map<std::string, std::string>> ParseLabels(const std::vector<std::string>& texts);

/// [a-z0-9_./-]{1,63}, or a usage error that names the flag.
absl::Status CheckLabelKey(absl::string_view flag, absl::string_view key);

struct ListChoice {
  std::string filter;               // as ListJobsRequest has it
  std::vector<std::string> states;  // "running": any of them
  std::vector<std::string> labels;  // "KEY" or "KEY=VALUE": all of them
};

/// One filter for all of it; what the user wrote as a filter comes first, so that places in it stay right.
absl::StatusOr<std::string> FilterOf(const ListChoice& choice);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_COMMANDS_LABELS_H_

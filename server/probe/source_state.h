// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_PROBE_SOURCE_STATE_H_
#define PIVOT_SERVER_PROBE_SOURCE_STATE_H_

// Whether what lies at a path has changed, told from names, sizes and times alone: nothing is opened.

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace pivot {

struct SourceState {
  std::string text;        // equal for what has not changed
  absl::Time last_change;  // of the newest entry, by the file system's clock
};

/// Of a folder with all that is below it, or of a file and its neighbours; links to files are followed. Nothing when it
/// cannot be told: not there, more than 4,096 entries, or a link that leads to no file.
std::optional<SourceState> LookAtSource(const std::string& path);

}  // namespace pivot

#endif  // PIVOT_SERVER_PROBE_SOURCE_STATE_H_

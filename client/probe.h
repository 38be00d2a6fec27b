// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_PROBE_H_
#define PIVOT_CLIENT_PROBE_H_

// Looking into files that nobody vouches for, in a process that may die of them.

#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace pivot::client {

/// Runs pivot-probe with `question` on its input and returns the value under `answer_key` of its reply. An "error"
/// there becomes the status; a probe that dies gives kInvalidArgument with reason PROBE_DIED, none at all kNotFound
/// with PROBE_MISSING.
absl::StatusOr<nlohmann::json> AskProbe(const std::string& program, const nlohmann::json& question,
                                        const std::string& answer_key, const std::stop_token& stop);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_PROBE_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_END_RULES_H_
#define PIVOT_ENGINE_PLAN_END_RULES_H_

// What plan files say of embedding and head.

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/format/narrow_ends.h"
#include "engine/model/model_config.h"

namespace pivot {

/// Takes an entry of a plan file that names an end which is a matrix of its own: in "rules" (key "match", all of it; a
/// pattern that merely matches means layers of blocks) one with 8 bits, or that keeps it; in "modules" (key "name") one
/// of type "e4m3" or "kept". False: the entry is about something else. kInvalidArgument (INVALID_SPEC) that begins with
/// `what` for anything else that is said of an end.
absl::StatusOr<bool> TakeEndEntry(const ModelConfig& config, const nlohmann::json& entry, const char* key,
                                  const std::string& what, NarrowEnds& ends);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_END_RULES_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_LOADABLE_H_
#define PIVOT_ENGINE_LOADABLE_H_

// Whether others will load a folder that is about to be published.

#include "absl/status/status.h"

#include "engine/format/checkpoint_folder.h"
#include "engine/job_hooks.h"

namespace pivot {

/// kInternal with reason LOADER_RULE_BROKEN when a rule of engine/format/loader_rules.h is broken that makes a loader
/// refuse the folder; rules that cost speed or need newer loaders become warnings.
absl::Status CheckLoadable(const CheckpointFolder& folder, const JobHooks& hooks);

}  // namespace pivot

#endif  // PIVOT_ENGINE_LOADABLE_H_

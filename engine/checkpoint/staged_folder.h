// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_STAGED_FOLDER_H_
#define PIVOT_ENGINE_CHECKPOINT_STAGED_FOLDER_H_

// A complete output folder put together in the staging folder.

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "engine/model/model_folder.h"
#include "engine/plan/output_layout.h"

namespace pivot {

/// Makes `folder` anew with: the shards (hard links of those in `shard_folder`), the index (of safetensors), the
/// source's other files, and `texts` (path below the folder -> content: config.json, pivot/plan.json). All synced.
absl::Status AssembleFolder(const std::string& folder, const std::string& shard_folder,
                            const std::vector<OutputShard>& shards, const ModelFolder& source,
                            const std::map<std::string, std::string>& texts);

/// Adds texts (path below the folder -> content) to a folder that is there, synced.
absl::Status WriteTexts(const std::string& folder, const std::map<std::string, std::string>& texts);

/// Writes FOLDER.files.json: every file of the folder and where its pieces begin (docs/format.md).
absl::Status WriteFileList(const std::string& folder);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_STAGED_FOLDER_H_

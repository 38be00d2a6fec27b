// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_DAMAGED_SHARDS_H_
#define PIVOT_ENGINE_QUANTIZE_DAMAGED_SHARDS_H_

#include <functional>
#include <string>

#include "absl/status/status.h"

#include "engine/checkpoint/journal.h"

namespace pivot {

/// A journal may speak of shards that are no longer good: from the first such on its entries are dropped, and the
/// warning (reason, message; may be empty) names it.
absl::Status DropDamagedShards(const std::string& shard_folder, Journal& journal,
                               const std::function<void(const std::string&, const std::string&)>& warning);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_DAMAGED_SHARDS_H_

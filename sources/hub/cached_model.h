// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_CACHED_MODEL_H_
#define PIVOT_SOURCES_HUB_CACHED_MODEL_H_

// A model that lies in the cache already, whoever fetched it.

#include <string>

#include "absl/status/statusor.h"
#include "sources/hub/hub_cache.h"

#include "proto/source/hub_name.h"

namespace pivot::hub {

/// What a fetch leads to.
struct FetchedModel {
  /// The snapshot's folder, or the GGUF file in it.
  std::string path;
  std::string commit;
  /// That came over the network now.
  int64_t fetched_bytes = 0;
};

/// Without the network. SOURCE_NOT_CACHED, naming what is not there, unless the snapshot has a configuration and all
/// weights, or the GGUF file.
absl::StatusOr<FetchedModel> FindCachedModel(const HubCache& cache, const HubName& name);

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_CACHED_MODEL_H_

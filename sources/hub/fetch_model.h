// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_FETCH_MODEL_H_
#define PIVOT_SOURCES_HUB_FETCH_MODEL_H_

// From the name of a model of the hub to its folder in the cache.

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "sources/hub/cached_model.h"
#include "sources/hub/fetch_blobs.h"
#include "sources/hub/hub_client.h"
#include "sources/hub/hub_settings.h"

#include "proto/source/hub_name.h"

namespace pivot::hub {

struct ModelRequest {
  HubName name;
  /// Empty: the whole model. Else a folder, which gets what headers of safetensors tell when the cache lacks tensors.
  std::string headers_folder;
};

struct FetchHooks {
  Hooks hooks;
  std::function<void(const FetchProgress&)> on_progress = [](const FetchProgress&) {};
};

/// Asks the hub what the revision is, fetches the files of the model that the cache lacks, and links them into the
/// snapshot. A snapshot that is not there yet appears when all of it is. Offline, or when the hub cannot be reached
/// (which is noted), what lies in the cache is the answer. Errors, by reason: SOURCE_NOT_CACHED, SOURCE_NOT_FOUND,
/// SOURCE_INCOMPLETE, UNSAFE_SOURCE, AMBIGUOUS_SOURCE, HUB_ACCESS_DENIED, HUB_UNREACHABLE, HUB_ANSWER_INVALID,
/// DOWNLOAD_MISMATCH, DISK_FULL.
absl::StatusOr<FetchedModel> FetchModel(const ModelRequest& request, const HubSettings& settings,
                                        const FetchHooks& hooks);

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_FETCH_MODEL_H_

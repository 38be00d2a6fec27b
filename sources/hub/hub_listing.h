// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_HUB_LISTING_H_
#define PIVOT_SOURCES_HUB_HUB_LISTING_H_

// What a repository of the hub holds at one commit, and which of it a model needs.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sources/hub/hub_cache.h"

#include "proto/source/hub_name.h"

namespace pivot::hub {

struct HubListing {
  std::string commit;
  /// A file that the hub said no hash of has no etag.
  std::vector<CachedFile> files;
};

/// Of the reply to GET /api/models/REPO/revision/REVISION?blobs=true. Files whose names could leave a folder are left
/// out. kFailedPrecondition HUB_ANSWER_INVALID.
absl::StatusOr<HubListing> ParseListing(absl::string_view reply);

struct Selection {
  /// Configuration, tokenizer, chat template, licence, the index of the shards.
  std::vector<CachedFile> beside;
  /// The one file of weights; empty when `index_path` names the file that tells them.
  std::vector<CachedFile> weights;
  std::string index_path;
};

/// What of the listing is to be fetched. UNSAFE_SOURCE when the weights are pickles only, SOURCE_INCOMPLETE when there
/// is no model, SOURCE_NOT_FOUND when the GGUF file is not there, AMBIGUOUS_SOURCE when it must be chosen.
absl::StatusOr<Selection> SelectFiles(const HubListing& listing, const HubName& name);

/// The shards that an index of safetensors names. SOURCE_INCOMPLETE when one is not in the listing, UNSAFE_SOURCE,
/// MALFORMED_WEIGHTS.
absl::StatusOr<std::vector<CachedFile>> ShardsOf(absl::string_view index, const HubListing& listing,
                                                 const HubName& name);

/// The names alone, sorted.
absl::StatusOr<std::vector<std::string>> ShardNames(absl::string_view index);

/// The files of the repository that are not among these.
std::vector<std::string> SkippedFiles(const HubListing& listing, const std::vector<CachedFile>& fetched);

/// "pytorch_model.bin, README.md and 3 more": at most so many names in full.
std::string NamesInShort(const std::vector<std::string>& names);

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_HUB_LISTING_H_

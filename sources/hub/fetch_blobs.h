// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_FETCH_BLOBS_H_
#define PIVOT_SOURCES_HUB_FETCH_BLOBS_H_

// Several files of a repository at once, into the blobs of a cache.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sources/hub/hub_cache.h"
#include "sources/hub/hub_client.h"

namespace pivot::hub {

struct FetchProgress {
  /// Of all files that the fetch is about, those that lay in the cache included.
  int64_t done_bytes = 0;
  int64_t total_bytes = 0;
  /// From the network, over the last seconds.
  double bytes_per_second = 0;
  /// One of those on their way.
  std::string path;
};

struct FetchBlobsRequest {
  HubName name;
  std::string commit;
  std::vector<CachedFile> files;
  /// Twice a second, from the calling thread.
  std::function<void(const FetchProgress&)> on_progress = [](const FetchProgress&) {};
};

/// Fetches those that are not there; a blob that another process is fetching is waited for, and fetched once. How many
/// bytes came over the network. Everything that BlobDownload can say, and DISK_FULL before the first byte when they do
/// not fit.
absl::StatusOr<int64_t> FetchBlobs(const FetchBlobsRequest& request, const HubCache& cache, HubClient* client);

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_FETCH_BLOBS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SOURCES_HUB_FETCH_HEADERS_H_
#define PIVOT_SOURCES_HUB_FETCH_HEADERS_H_

// What the headers of safetensors tell, without the tensors.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sources/hub/hub_cache.h"
#include "sources/hub/hub_client.h"

namespace pivot::hub {

struct HeadersRequest {
  HubName name;
  std::string commit;
  std::vector<CachedFile> weights;
  std::string folder;
};

/// Makes each file in the folder with its size and header, and nothing but zeros (no blocks of a disk) behind it. No
/// hash covers a header alone: good for a plan, and for nothing that is kept. How many bytes came. MALFORMED_WEIGHTS
/// and what HubClient can say.
absl::StatusOr<int64_t> FetchHeaders(const HeadersRequest& request, HubClient* client);

}  // namespace pivot::hub

#endif  // PIVOT_SOURCES_HUB_FETCH_HEADERS_H_

// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/block_reader.h"

#include <utility>

#include "proto/status/status_macros.h"

namespace pivot {

absl::StatusOr<BlockWeights> BlockReader::Read(int block) {
  absl::StatusOr<BlockWeights> fetched = absl::UnknownError("not read");
  if (fetched_.valid()) fetched = fetched_.get();
  if (std::exchange(fetched_block_, -1) != block) fetched = reader_.FetchBlock(block);
  PIVOT_RETURN_IF_ERROR(fetched.status());
  if (const int next = block + 1; next < reader_.config().num_blocks) {
    fetched_block_ = next;
    fetched_ = std::async(std::launch::async, [this, next] { return reader_.FetchBlock(next); });
  }
  return reader_.PlaceBlock(block, *fetched);
}

}  // namespace pivot

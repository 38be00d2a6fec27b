// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/block_reader.h"

#include <utility>

#include "proto/status/status_macros.h"

namespace pivot {

void BlockReader::Begin(int block) {
  fetched_block_ = block;
  fetched_ = std::async(std::launch::async, [this, block] { return reader_.FetchBlock(block); });
}

absl::StatusOr<BlockWeights> BlockReader::Read(int block) {
  absl::StatusOr<BlockWeights> fetched = absl::UnknownError("not read");
  if (fetched_.valid()) fetched = fetched_.get();
  if (std::exchange(fetched_block_, -1) != block) fetched = reader_.FetchBlock(block);
  PIVOT_RETURN_IF_ERROR(fetched.status());
  if (block + 1 < reader_.config().num_blocks) Begin(block + 1);
  return reader_.PlaceBlock(block, *fetched);
}

}  // namespace pivot

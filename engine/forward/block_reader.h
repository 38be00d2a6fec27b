// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORWARD_BLOCK_READER_H_
#define PIVOT_ENGINE_FORWARD_BLOCK_READER_H_

// Reads the blocks of a model one after the other, each while the one before it is computed with.

#include <future>

#include "absl/status/statusor.h"

#include "engine/forward/weights.h"

namespace pivot {

/// Does not own the reader.
class BlockReader {
 public:
  explicit BlockReader(const WeightReader& reader) : reader_(reader) {}

  /// Another thread begins to read the block, which the first call of Read should be for.
  void Begin(int block);

  /// The weights of a block on the device. Another thread begins to read the block behind it, if there is one: the next
  /// call should be for that. Destruction waits for the thread.
  absl::StatusOr<BlockWeights> Read(int block);

 private:
  const WeightReader& reader_;
  int fetched_block_ = -1;  // what the thread reads; -1: nothing
  std::future<absl::StatusOr<BlockWeights>> fetched_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORWARD_BLOCK_READER_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_BLOCK_WRITER_H_
#define PIVOT_ENGINE_QUANTIZE_BLOCK_WRITER_H_

// Writes finished blocks behind the computation of the next ones.

#include <future>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/checkpoint/block_shard.h"
#include "engine/checkpoint/journal.h"
#include "engine/plan/output_layout.h"

namespace pivot {

/// One block at a time. What it borrows must outlive it.
class BlockWriter {
 public:
  BlockWriter(std::string shard_folder, const ModelFolder& source, Journal& journal)
      : shard_folder_(std::move(shard_folder)), source_(source), journal_(journal) {}
  /// Waits for the block in work; a caller who wants to know what became of it asks Finish first.
  ~BlockWriter();
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;

  /// Gets the page-locked memory that layers of a GPU with codes of at most these bits pass through, on a thread of its
  /// own, before the first block needs it: that takes a sixth of a block's time, and the allocator keeps it for whoever
  /// asks next.
  void Reserve(const ModelConfig& config, int bits);

  /// Begins to write the block's shard, on a thread of its own, and enters it in the journal when it is on disk.
  /// Nothing may be in work.
  void Begin(int block, const std::string& stage, const OutputShard& shard, EncodedLinears linears,
             nlohmann::json record);

  bool is_busy() const { return work_.valid(); }
  /// Waits for the block in work: its record with "write_seconds" added, or why it is not written.
  absl::StatusOr<nlohmann::json> Finish() { return work_.get(); }

 private:
  absl::StatusOr<nlohmann::json> Write(int block, const std::string& stage, const OutputShard& shard,
                                       const EncodedLinears& linears, nlohmann::json record) const;

  std::string shard_folder_;
  const ModelFolder& source_;
  Journal& journal_;
  std::future<absl::StatusOr<nlohmann::json>> work_;
  std::future<void> reserved_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_BLOCK_WRITER_H_

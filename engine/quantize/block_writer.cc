// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/block_writer.h"

#include <ATen/ATen.h>
#include <cassert>
#include <chrono>
#include <utility>
#include <vector>

#include "engine/model/block_linears.h"
#include "engine/ops/call_torch.h"
#include "proto/status/status_macros.h"

namespace pivot {

using nlohmann::json;

BlockWriter::~BlockWriter() {
  if (work_.valid()) work_.wait();
}

void BlockWriter::Reserve(const ModelConfig& config, int bits) {
  reserved_ = std::async(std::launch::async, [&config, bits] {
    CallTorchStatus("reserving host memory", [&] {
      const auto bytes = at::TensorOptions().dtype(at::kByte).pinned_memory(true);
      std::vector<at::Tensor> held;
      for (const BlockLinear& linear : BlockLinears(config, 0)) {
        const int64_t codes = linear.shape.out_features * linear.shape.in_features;
        held.push_back(at::empty({codes}, bytes));
        held.push_back(at::empty({codes * bits / 8}, bytes));
      }
      return absl::OkStatus();
    }).IgnoreError();  // whoever asks next fails again, and tells of it
  });
}

void BlockWriter::Begin(int block, const std::string& stage, const OutputShard& shard, EncodedLinears linears,
                        json record) {
  assert(!is_busy());
  work_ = std::async(std::launch::async, [this, block, stage, &shard, linears = std::move(linears),
                                          record = std::move(record)]() mutable {
    return CallTorch("writing a block", [&] { return Write(block, stage, shard, linears, std::move(record)); });
  });
}

absl::StatusOr<json> BlockWriter::Write(int block, const std::string& stage, const OutputShard& shard,
                                        const EncodedLinears& linears, json record) const {
  const auto start = std::chrono::steady_clock::now();
  PIVOT_ASSIGN_OR_RETURN(const WrittenFile written, WriteShard(shard_folder_, shard, linears, source_));
  record["write_seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  PIVOT_RETURN_IF_ERROR(journal_.Append({.stage = stage,
                                         .block = block,
                                         .file = shard.file_name,
                                         .size = written.size,
                                         .sha256 = written.sha256,
                                         .record = record}));
  return record;
}

}  // namespace pivot

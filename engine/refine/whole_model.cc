// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/whole_model.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <utility>

#include "engine/checkpoint/block_shard.h"
#include "engine/checkpoint/narrow_tensor.h"
#include "engine/forward/block.h"
#include "engine/forward/block_reader.h"
#include "engine/forward/ends.h"
#include "engine/refine/refine_streams.h"
#include "proto/status/status_macros.h"

namespace pivot {

absl::StatusOr<WholeModel> WholeModel::Read(const RefineInput& input, const at::Tensor& windows, int64_t tile_windows,
                                            const std::function<bool()>& is_cancelled) {
  const WeightReader& source = *input.source;
  const ModelConfig& config = source.config();
  WholeModel model(config, MakeRotaryTable(config, windows.size(1), source.dtype(), source.device()));
  PIVOT_ASSIGN_OR_RETURN(const EmbeddingWeights embedding, source.ReadEmbedding());
  model.embedding_ = WrittenEmbedding(embedding, input.schemes->ends());
  PIVOT_ASSIGN_OR_RETURN(model.heads_.original, source.ReadHead());
  model.heads_.quantized = model.heads_.original;
  if (input.schemes->NarrowsHead(config))
    model.heads_.quantized.head.weight = RoundToFloat8(model.heads_.original.head.weight);
  model.teacher_ = EmbedAll(config, embedding, windows, tile_windows);
  BlockReader reader(source);
  reader.Begin(0);
  for (int block = 0; block < config.num_blocks; ++block) {
    PIVOT_ASSIGN_OR_RETURN(const BlockWeights original, reader.Read(block));
    PIVOT_RETURN_IF_ERROR(AdvanceStream(config, model.rotary_, original, tile_windows, is_cancelled, model.teacher_));
    const std::string path = input.from_folder + "/" + (*input.shards)[static_cast<size_t>(block)].file_name;
    PIVOT_ASSIGN_OR_RETURN(const QuantizedLinears linears,
                           ReadShardLinears(path, StoredLinears(config, block, *input.schemes)));
    model.blocks_.emplace_back(config, block, original, linears, Learned::kScales, *input.spec);
    source.ReleaseBlock(block);
  }
  return model;
}

double WholeModel::Measure(const at::Tensor& ids, const at::Tensor& teacher) {
  return KlAgainstTeacher(*config_, heads_, Trace(ids), teacher);
}

at::Tensor WholeModel::Trace(const at::Tensor& ids) {
  at::Tensor stream = EmbedTokens(*config_, embedding_, ids, 0);
  for (const TrainableBlock& block : blocks_)
    stream = ForwardBlock(*config_, block.RoundedWeights(), stream, rotary_, nullptr);
  return stream;
}

double WholeModel::Step(const at::Tensor& ids, const at::Tensor& teacher, const LearningRates& rates, int64_t n) {
  std::vector<at::Tensor> streams = {EmbedTokens(*config_, embedding_, ids, 0)};
  for (const TrainableBlock& block : blocks_)
    streams.push_back(ForwardBlock(*config_, block.RoundedWeights(), streams.back(), rotary_, nullptr));
  TeacherLoss loss = LossAgainstTeacher(*config_, heads_, streams.back(), teacher);
  at::Tensor gradients = std::move(loss.gradients);
  for (size_t block = blocks_.size(); block-- > 0;) {
    streams.pop_back();
    const at::Tensor input = streams.back().detach().requires_grad_(block > 0);
    ForwardBlock(*config_, blocks_[block].MakeWeights(), input, rotary_, nullptr).backward(gradients);
    if (block > 0) gradients = input.grad();
    blocks_[block].Learn(rates, n);
  }
  return loss.kl;
}

}  // namespace pivot

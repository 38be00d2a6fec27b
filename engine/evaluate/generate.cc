// SPDX-License-Identifier: Apache-2.0
#include "engine/evaluate/generate.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/forward/block.h"
#include "engine/forward/ends.h"
#include "engine/ops/call_torch.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

/// A model with all its blocks in memory and what it has seen so far.
class Session {
 public:
  static absl::StatusOr<Session> Load(const WeightReader& reader, int64_t length, const EvaluationHooks& hooks) {
    Session session(reader, length);
    PIVOT_ASSIGN_OR_RETURN(session.embedding_, reader.ReadEmbedding());
    PIVOT_ASSIGN_OR_RETURN(session.head_, reader.ReadHead());
    if (reader.config().tied_embeddings) session.head_.head.weight = session.embedding_.tokens;
    for (int block = 0; block < reader.config().num_blocks; ++block) {
      if (hooks.is_cancelled && hooks.is_cancelled()) return absl::CancelledError("the job was cancelled");
      PIVOT_ASSIGN_OR_RETURN(BlockWeights weights, reader.ReadBlock(block));
      session.blocks_.push_back(std::move(weights));
    }
    session.caches_.resize(session.blocks_.size());
    return session;
  }

  /// Takes further tokens and returns the likeliest next one.
  int64_t Next(const std::vector<int32_t>& tokens) {
    const auto count = static_cast<int64_t>(tokens.size());
    const at::Tensor ids =
        at::tensor(std::vector<int64_t>(tokens.begin(), tokens.end())).unsqueeze(0).to(reader_->device());
    const RotaryTable rotary = rotary_.Range(seen_, count);
    at::Tensor state = EmbedTokens(reader_->config(), embedding_, ids, seen_);
    for (size_t block = 0; block < blocks_.size(); ++block) {
      state = ForwardBlock(reader_->config(), blocks_[block], state, rotary, &caches_[block]);
    }
    seen_ += count;
    const at::Tensor last = HeadInput(reader_->config(), head_, state[0].narrow(0, count - 1, 1));
    return ComputeHead(reader_->config(), head_, last).to(at::kFloat).argmax().item<int64_t>();
  }

 private:
  Session(const WeightReader& reader, int64_t length)
      : reader_(&reader), rotary_(MakeRotaryTable(reader.config(), length, reader.dtype(), reader.device())) {}

  const WeightReader* reader_;
  RotaryTable rotary_;
  EmbeddingWeights embedding_;
  HeadWeights head_;
  std::vector<BlockWeights> blocks_;
  std::vector<KeyValueCache> caches_;
  int64_t seen_ = 0;
};

}  // namespace

absl::StatusOr<Generated> GenerateGreedily(const std::vector<int32_t>& prompt, int64_t max_tokens,
                                           const WeightReader& model, const EvaluationHooks& hooks) {
  const ModelConfig& config = model.config();
  const int64_t length = static_cast<int64_t>(prompt.size()) + max_tokens;
  if (prompt.empty()) return absl::InvalidArgumentError("the prompt has no tokens");
  if (length > config.max_positions) {
    return absl::InvalidArgumentError(absl::StrCat("the prompt's ", prompt.size(), " tokens and ", max_tokens,
                                                   " new ones exceed the model's ", config.max_positions,
                                                   " positions"));
  }
  const auto [lowest, highest] = std::minmax_element(prompt.begin(), prompt.end());
  if (*lowest < 0 || *highest >= config.vocab_size) {
    return absl::InvalidArgumentError("the prompt has tokens that are not in the model's vocabulary");
  }
  return CallTorch("generating text", [&]() -> absl::StatusOr<Generated> {
    PIVOT_ASSIGN_OR_RETURN(Session session, Session::Load(model, length, hooks));
    Generated generated;
    std::vector<int32_t> fresh = prompt;
    while (static_cast<int64_t>(generated.tokens.size()) < max_tokens) {
      if (hooks.is_cancelled && hooks.is_cancelled()) return absl::CancelledError("the job was cancelled");
      const int64_t next = session.Next(fresh);
      generated.reached_end =
          std::find(config.eos_token_ids.begin(), config.eos_token_ids.end(), next) != config.eos_token_ids.end();
      if (generated.reached_end) break;
      generated.tokens.push_back(static_cast<int32_t>(next));
      fresh = {static_cast<int32_t>(next)};
      if (hooks.progress) hooks.progress(static_cast<int>(generated.tokens.size()), static_cast<int>(max_tokens));
    }
    return generated;
  });
}

}  // namespace pivot

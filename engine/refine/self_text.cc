// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/self_text.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <algorithm>
#include <mutex>

#include "engine/forward/block.h"
#include "engine/forward/ends.h"
#include "engine/ops/call_torch.h"
#include "engine/plan/refine_options.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

class Writer {
 public:
  static absl::StatusOr<Writer> Load(const WeightReader& reader, const SelfTextOptions& options,
                                     const EvaluationHooks& hooks) {
    Writer writer(reader, options, hooks);
    PIVOT_ASSIGN_OR_RETURN(writer.embedding_, reader.ReadEmbedding());
    PIVOT_ASSIGN_OR_RETURN(writer.head_, reader.ReadHead());
    for (int block = 0; block < reader.config().num_blocks; ++block) {
      PIVOT_ASSIGN_OR_RETURN(BlockWeights weights, reader.ReadBlock(block));
      writer.blocks_.push_back(std::move(weights));
    }
    return writer;
  }

  absl::StatusOr<at::Tensor> Write() {
    const int64_t a_window = (options_.length + length_ - 1) / length_;
    const int64_t documents = options_.windows * a_window;
    const int64_t at_once = reader_->device().is_cuda() ? kSelfTextsOfGpu : kSelfTextsOfCpu;
    total_steps_ = (documents + at_once - 1) / at_once * (length_ - 1);
    std::vector<at::Tensor> written;
    for (int64_t first = 0; first < documents; first += at_once) {
      PIVOT_ASSIGN_OR_RETURN(at::Tensor tokens, WriteDocuments(std::min(at_once, documents - first)));
      written.push_back(std::move(tokens));
    }
    const at::Tensor all = at::cat(written).view({options_.windows, a_window * length_});
    return all.narrow(1, 0, options_.length).to(at::kCPU).contiguous();
  }

 private:
  Writer(const WeightReader& reader, const SelfTextOptions& options, const EvaluationHooks& hooks)
      : reader_(&reader),
        options_(options),
        hooks_(hooks),
        length_(std::min(kSelfTextTokens, options.length)),
        rotary_(MakeRotaryTable(reader.config(), length_, reader.dtype(), reader.device())),
        generator_(at::globalContext().defaultGenerator(reader.device())) {
    const std::lock_guard<std::mutex> lock(generator_.mutex());
    generator_.set_current_seed(options.seed);
  }

  /// [count, length_].
  absl::StatusOr<at::Tensor> WriteDocuments(int64_t count) {
    const auto ids = at::TensorOptions().dtype(at::kLong).device(reader_->device());
    at::Tensor tokens = at::randint(0, reader_->config().vocab_size, {count, length_}, generator_, ids);
    int64_t given = std::min<int64_t>(static_cast<int64_t>(options_.first_tokens.size()), length_ - 1);
    for (int64_t i = 0; i < given; ++i) tokens.select(1, i).fill_(options_.first_tokens[static_cast<size_t>(i)]);
    ++given;  // the one that was drawn
    std::vector<KeyValueCache> caches(blocks_.size());
    for (int64_t i = 0; i + 1 < length_; ++i) {
      if (hooks_.is_cancelled && hooks_.is_cancelled()) return absl::CancelledError("the job was cancelled");
      const at::Tensor next = Draw(tokens.narrow(1, i, 1), i, caches);
      if (i + 1 >= given) tokens.select(1, i + 1).copy_(next);
      if (hooks_.progress) hooks_.progress(static_cast<int>(++steps_), static_cast<int>(total_steps_));
    }
    return tokens;
  }

  /// What follows the tokens [count, 1] at this position, [count].
  at::Tensor Draw(const at::Tensor& ids, int64_t position, std::vector<KeyValueCache>& caches) {
    const ModelConfig& config = reader_->config();
    at::Tensor state = EmbedTokens(config, embedding_, ids, position);
    const RotaryTable rotary = rotary_.Range(position, 1);
    for (size_t block = 0; block < blocks_.size(); ++block)
      state = ForwardBlock(config, blocks_[block], state, rotary, &caches[block]);
    const at::Tensor logits = ComputeHead(config, head_, HeadInput(config, head_, state)).select(1, 0);
    const at::Tensor shares = at::softmax(logits, -1, at::kFloat);
    // The largest of share / exponential variable is each token with its own share.
    return shares.div_(at::empty_like(shares).exponential_(1, generator_)).argmax(-1);
  }

  const WeightReader* reader_;
  const SelfTextOptions& options_;
  const EvaluationHooks& hooks_;
  int64_t length_;  // of a document
  RotaryTable rotary_;
  at::Generator generator_;
  EmbeddingWeights embedding_;
  HeadWeights head_;
  std::vector<BlockWeights> blocks_;
  int64_t steps_ = 0;
  int64_t total_steps_ = 0;
};

}  // namespace

absl::StatusOr<at::Tensor> WriteSelfText(const WeightReader& model, const SelfTextOptions& options,
                                         const EvaluationHooks& hooks) {
  return CallTorch("writing text", [&]() -> absl::StatusOr<at::Tensor> {
    PIVOT_ASSIGN_OR_RETURN(Writer writer, Writer::Load(model, options, hooks));
    return writer.Write();
  });
}

}  // namespace pivot

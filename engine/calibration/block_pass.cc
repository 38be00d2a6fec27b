// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/block_pass.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <optional>

#include "engine/ops/call_torch.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

/// The state of one pass. Methods that run tiles may throw what ATen throws.
class BlockPass {
 public:
  BlockPass(const ModelConfig& config, const RotaryTable& rotary, const BlockPassOptions& options, Streams& streams)
      : config_(config), rotary_(rotary), options_(options), streams_(streams) {}

  absl::Status Run(const BlockWeights& original, BlockWeights& quantized, const GroupSolver* solver) {
    PIVOT_RETURN_IF_ERROR(ReadAttentionInput(original, quantized, solver));
    PIVOT_RETURN_IF_ERROR(RunAttention(original, quantized, solver));
    PIVOT_RETURN_IF_ERROR(LeaveAttention(original, quantized, solver));
    PIVOT_RETURN_IF_ERROR(RunMlp(original, quantized, solver));
    return LeaveMlp(quantized);
  }

 private:
  bool has_original() const { return streams_.original.defined(); }

  /// Calls `body` with the range of windows of each tile.
  absl::Status ForEachTile(absl::FunctionRef<void(int64_t first, int64_t count)> body) const {
    const int64_t windows = streams_.quantized.size(0);
    for (int64_t first = 0; first < windows; first += options_.tile_windows) {
      if (options_.is_cancelled && options_.is_cancelled()) return absl::CancelledError("the job was cancelled");
      body(first, std::min(options_.tile_windows, windows - first));
    }
    return absl::OkStatus();
  }

  const LinearGroup& GroupAt(BlockInput input) const {
    const auto& groups = config_.architecture->groups;
    return *std::find_if(groups.begin(), groups.end(),
                         [input](const LinearGroup& group) { return group.input == input; });
  }

  /// Statistics of a group's input, or nothing when nobody wants them.
  std::optional<InputStatistics> StatisticsFor(BlockInput input, const GroupSolver* solver) const {
    if (solver == nullptr) return std::nullopt;
    const LinearGroup& group = GroupAt(input);
    const int64_t in_features = ShapeOf(config_, group.members.front()).in_features;
    const CrossTerm cross = has_original() ? CrossTerm::kGathered : CrossTerm::kNone;
    return InputStatistics(in_features, cross, streams_.quantized.device());
  }

  static void Gather(std::optional<InputStatistics>& statistics, const at::Tensor& quantized,
                     const at::Tensor& original, const at::Tensor& residual_error) {
    if (!statistics.has_value()) return;
    const auto flat = [](const at::Tensor& x) { return x.defined() ? x.flatten(0, 1) : x; };
    statistics->Add(quantized.flatten(0, 1), flat(original), flat(residual_error));
  }

  /// What the residual streams differ by; undefined without both or without somebody who wants it.
  at::Tensor ResidualError(const std::optional<InputStatistics>& statistics, int64_t first, int64_t count) const {
    if (!statistics.has_value() || !has_original()) return {};
    return streams_.original.narrow(0, first, count) - streams_.quantized.narrow(0, first, count);
  }

  absl::Status Solve(BlockInput input, const std::optional<InputStatistics>& statistics, const GroupSolver* solver,
                     BlockWeights& quantized) const {
    return solver == nullptr ? absl::OkStatus() : (*solver)(GroupAt(input), *statistics, quantized);
  }

  at::Tensor AttentionInput(const BlockWeights& weights, const at::Tensor& x) const {
    return RmsNorm(x, weights.attention_norm, config_.rms_norm_eps);
  }
  at::Tensor MlpInput(const BlockWeights& weights, const at::Tensor& x) const {
    return RmsNorm(x, weights.mlp_norm, config_.rms_norm_eps);
  }

  absl::Status ReadAttentionInput(const BlockWeights& original, BlockWeights& quantized,
                                  const GroupSolver* solver) const {
    auto statistics = StatisticsFor(BlockInput::kAttention, solver);
    if (!statistics.has_value()) return absl::OkStatus();
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      const at::Tensor q = AttentionInput(quantized, streams_.quantized.narrow(0, first, count));
      const at::Tensor f =
          has_original() ? AttentionInput(original, streams_.original.narrow(0, first, count)) : at::Tensor();
      Gather(statistics, q, f, {});
    }));
    return Solve(BlockInput::kAttention, statistics, solver, quantized);
  }

  absl::Status RunAttention(const BlockWeights& original, BlockWeights& quantized, const GroupSolver* solver) {
    auto statistics = StatisticsFor(BlockInput::kAttentionOutput, solver);
    const at::Tensor& x = streams_.quantized;
    const std::vector<int64_t> shape = {x.size(0), x.size(1), config_.num_heads * config_.head_dim};
    quantized_heads_ = at::empty(shape, x.options());
    if (has_original()) original_heads_ = at::empty(shape, x.options());
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      const at::Tensor q =
          Attend(config_, quantized, AttentionInput(quantized, x.narrow(0, first, count)), rotary_, nullptr);
      quantized_heads_.narrow(0, first, count).copy_(q);
      at::Tensor f;
      if (has_original()) {
        f = Attend(config_, original, AttentionInput(original, streams_.original.narrow(0, first, count)), rotary_,
                   nullptr);
        original_heads_.narrow(0, first, count).copy_(f);
      }
      Gather(statistics, q, f, ResidualError(statistics, first, count));
    }));
    return Solve(BlockInput::kAttentionOutput, statistics, solver, quantized);
  }

  /// Adds the attention to the streams and reads the MLP's input.
  absl::Status LeaveAttention(const BlockWeights& original, BlockWeights& quantized, const GroupSolver* solver) {
    auto statistics = StatisticsFor(BlockInput::kMlp, solver);
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      at::Tensor q = streams_.quantized.narrow(0, first, count);
      q.add_(ApplyLinear(quantized_heads_.narrow(0, first, count), quantized.linear(LinearRole::kAttentionOutput)));
      at::Tensor f;
      if (has_original()) {
        f = streams_.original.narrow(0, first, count);
        f.add_(ApplyLinear(original_heads_.narrow(0, first, count), original.linear(LinearRole::kAttentionOutput)));
      }
      if (statistics.has_value())
        Gather(statistics, MlpInput(quantized, q), f.defined() ? MlpInput(original, f) : f, {});
    }));
    quantized_heads_.reset();
    original_heads_.reset();
    return Solve(BlockInput::kMlp, statistics, solver, quantized);
  }

  /// Runs the MLP up to its hidden state; the original stream goes through the rest of the block at once.
  absl::Status RunMlp(const BlockWeights& original, BlockWeights& quantized, const GroupSolver* solver) {
    auto statistics = StatisticsFor(BlockInput::kMlpHidden, solver);
    const at::Tensor& x = streams_.quantized;
    quantized_hidden_ = at::empty({x.size(0), x.size(1), config_.intermediate_size}, x.options());
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      const at::Tensor q = MlpHidden(quantized, MlpInput(quantized, x.narrow(0, first, count)));
      quantized_hidden_.narrow(0, first, count).copy_(q);
      at::Tensor f;
      const at::Tensor residual_error = ResidualError(statistics, first, count);
      if (has_original()) {
        at::Tensor stream = streams_.original.narrow(0, first, count);
        f = MlpHidden(original, MlpInput(original, stream));
        stream.add_(ApplyLinear(f, original.linear(LinearRole::kDown)));
      }
      Gather(statistics, q, f, residual_error);
    }));
    return Solve(BlockInput::kMlpHidden, statistics, solver, quantized);
  }

  absl::Status LeaveMlp(const BlockWeights& quantized) {
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      streams_.quantized.narrow(0, first, count)
          .add_(ApplyLinear(quantized_hidden_.narrow(0, first, count), quantized.linear(LinearRole::kDown)));
    }));
    quantized_hidden_.reset();
    return absl::OkStatus();
  }

  const ModelConfig& config_;
  const RotaryTable& rotary_;
  const BlockPassOptions& options_;
  Streams& streams_;
  at::Tensor quantized_heads_;  // [windows, length, heads*head_dim]
  at::Tensor original_heads_;
  at::Tensor quantized_hidden_;  // [windows, length, intermediate]
};

}  // namespace

absl::Status CalibrateBlock(const ModelConfig& config, const BlockWeights& original, const RotaryTable& rotary,
                            const BlockPassOptions& options, GroupSolver solver, Streams& streams) {
  return CallTorchStatus("a decoder block", [&] {
    BlockWeights quantized = original;
    return BlockPass(config, rotary, options, streams).Run(original, quantized, &solver);
  });
}

absl::Status AdvanceBlock(const ModelConfig& config, const BlockWeights& original, const BlockWeights& quantized,
                          const RotaryTable& rotary, const BlockPassOptions& options, Streams& streams) {
  return CallTorchStatus("a decoder block", [&] {
    BlockWeights unchanged = quantized;
    return BlockPass(config, rotary, options, streams).Run(original, unchanged, nullptr);
  });
}

}  // namespace pivot

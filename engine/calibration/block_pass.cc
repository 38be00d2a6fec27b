// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/block_pass.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/calibration/expert_pass.h"
#include "engine/calibration/window_tiles.h"
#include "engine/model/model_shapes.h"
#include "engine/ops/call_torch.h"
#include "engine/ops/part_seconds.h"
#include "proto/status/reason.h"
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
    if (!original.experts.empty()) {
      PIVOT_RETURN_IF_ERROR(LeaveAttention(original, quantized, nullptr));
      return PassExperts(config_, original, quantized, options_, solver, streams_);
    }
    PIVOT_RETURN_IF_ERROR(LeaveAttention(original, quantized, solver));
    PIVOT_RETURN_IF_ERROR(RunMlp(original, quantized, solver));
    return LeaveMlp(quantized);
  }

 private:
  bool is_parallel() const { return config_.order == BlockOrder::kParallel; }
  bool has_original() const { return streams_.original.defined(); }

  absl::Status ForEachTile(absl::FunctionRef<void(int64_t first, int64_t count)> body) const {
    return pivot::ForEachTile(streams_.quantized.windows(), options_, body);
  }

  const LinearGroup& GroupAt(BlockInput input) const {
    const auto& groups = config_.architecture->groups;
    return *std::find_if(groups.begin(), groups.end(),
                         [input](const LinearGroup& group) { return group.input == input; });
  }

  /// Statistics of a group's input, or nothing when nobody wants them.
  std::optional<InputStatistics> StatisticsFor(BlockInput input, const BlockWeights& original,
                                               const GroupSolver* solver) const {
    if (solver == nullptr) return std::nullopt;
    const LinearGroup& group = GroupAt(input);
    const LinearRole first = group.members.front();
    const LinearShape shape = ShapeOf(config_, first);
    const CrossTerm cross = has_original() ? CrossTerm::kGathered : CrossTerm::kNone;
    // What a narrow layer makes of the difference is less work than the difference's own moment, half of which counts.
    const bool is_narrow = group.members.size() == 1 && 2 * shape.out_features < shape.in_features;
    return InputStatistics(shape.in_features, cross, streams_.quantized.device(),
                           is_narrow ? original.linear(first).weight : at::Tensor());
  }

  static void Gather(std::optional<InputStatistics>& statistics, const at::Tensor& quantized,
                     const at::Tensor& original, const at::Tensor& residual_error) {
    if (!statistics.has_value()) return;
    const Part part("differences");
    const auto flat = [](const at::Tensor& x) { return x.defined() ? x.flatten(0, 1) : x; };
    statistics->Add(quantized.flatten(0, 1), flat(original), flat(residual_error));
  }

  /// What the residual streams differ by; undefined without both or without somebody who wants it.
  at::Tensor ResidualError(const std::optional<InputStatistics>& statistics, const at::Tensor& quantized,
                           const at::Tensor& original) const {
    if (!statistics.has_value() || !original.defined() || !options_.gathers_residual) return {};
    const at::Tensor error = original - quantized;
    return config_.residual_scale == 1 ? error : error / config_.residual_scale;
  }

  /// A tile of the original stream; undefined when there is none.
  at::Tensor Original(int64_t first, int64_t count) const {
    return has_original() ? streams_.original.Read(first, count) : at::Tensor();
  }

  absl::Status Solve(BlockInput input, std::optional<InputStatistics>& statistics, const GroupSolver* solver,
                     BlockWeights& quantized) const {
    if (solver == nullptr) return absl::OkStatus();
    InputMoments moments = std::move(*statistics).Finish();
    statistics.reset();
    PIVOT_RETURN_IF_ERROR(CheckFinite(input, moments, quantized));
    return (*solver)({{GroupAt(input)}}, std::move(moments), quantized);
  }

  /// Values that are not finite are told of with the calibration window that has the first of them.
  absl::Status CheckFinite(BlockInput input, const InputMoments& moments, const BlockWeights& quantized) const {
    if (AreFinite(moments)) return absl::OkStatus();
    std::string where = "in the original model";
    if (!IsFinite(moments.hessian)) {
      const std::optional<int64_t> window = FirstBadWindow(input, quantized);
      where = window.has_value() ? absl::StrCat("first in calibration window ", *window) : "or too large to be squared";
    }
    return WithReason(absl::FailedPreconditionError(absl::StrCat(
                          options_.prefix, config_.architecture->linear(GroupAt(input).members.front()).name,
                          ": its input holds values that are not finite, ", where)),
                      "NUMERICAL_FAILURE");
  }

  /// The first window where what the group reads is not finite.
  std::optional<int64_t> FirstBadWindow(BlockInput input, const BlockWeights& quantized) const {
    const int64_t windows = streams_.quantized.windows();
    for (int64_t first = 0; first < windows; first += options_.tile_windows) {
      const at::Tensor stream = streams_.quantized.Read(first, std::min(options_.tile_windows, windows - first));
      const at::Tensor is_finite = at::isfinite(QuantizedInput(input, quantized, stream)).flatten(1).all(1);
      if (!is_finite.all().item<bool>()) return first + is_finite.logical_not().to(at::kByte).argmax().item<int64_t>();
    }
    return std::nullopt;
  }

  /// What the layers of a group read where the residual stream is this, before the parts behind them have run.
  at::Tensor QuantizedInput(BlockInput input, const BlockWeights& quantized, const at::Tensor& stream) const {
    switch (input) {
      case BlockInput::kAttention:
        return AttentionInput(config_, quantized, stream);
      case BlockInput::kAttentionOutput:
        return Heads(quantized, stream);
      case BlockInput::kMlp:
        return MlpInput(config_, quantized, stream);
      case BlockInput::kMlpHidden:
        return Hidden(quantized, stream);
    }
    return {};
  }

  at::Tensor Heads(const BlockWeights& weights, const at::Tensor& stream) const {
    return Attend(config_, weights, AttentionInput(config_, weights, stream), rotary_, nullptr);
  }
  at::Tensor Hidden(const BlockWeights& weights, const at::Tensor& stream) const {
    return MlpHidden(config_, weights, MlpInput(config_, weights, stream));
  }

  absl::Status ReadAttentionInput(const BlockWeights& original, BlockWeights& quantized,
                                  const GroupSolver* solver) const {
    auto statistics = StatisticsFor(BlockInput::kAttention, original, solver);
    if (!statistics.has_value()) return absl::OkStatus();
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      const Part part("forward");
      const at::Tensor q = QuantizedInput(BlockInput::kAttention, quantized, streams_.quantized.Read(first, count));
      const at::Tensor stream = Original(first, count);
      Gather(statistics, q, stream.defined() ? AttentionInput(config_, original, stream) : stream, {});
    }));
    return Solve(BlockInput::kAttention, statistics, solver, quantized);
  }

  /// Runs both streams up to the heads' outputs, the original one through the output projection at once.
  absl::Status RunAttention(const BlockWeights& original, BlockWeights& quantized, const GroupSolver* solver) {
    auto statistics = StatisticsFor(BlockInput::kAttentionOutput, original, solver);
    heads_ = streams_.quantized.Like(config_.num_heads * config_.head_dim);
    if (is_parallel() && has_original()) pending_ = streams_.quantized.Like(config_.hidden_size);
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      const Part part("forward");
      const at::Tensor quantized_stream = streams_.quantized.Read(first, count);
      at::Tensor stream = Original(first, count);
      const at::Tensor q = heads_.Fill(first, count);
      q.copy_(QuantizedInput(BlockInput::kAttentionOutput, quantized, quantized_stream));
      heads_.Keep(first, count);
      at::Tensor f;
      const at::Tensor residual_error = JoinsStream(original, LinearRole::kAttentionOutput)
                                            ? ResidualError(statistics, quantized_stream, stream)
                                            : at::Tensor();
      if (stream.defined()) {
        f = Heads(original, stream);
        AddOriginalAttention(original, f, first, count, stream);
      }
      Gather(statistics, q, f, residual_error);
    }));
    return Solve(BlockInput::kAttentionOutput, statistics, solver, quantized);
  }

  /// To the stream, or where the MLP reads the same stream to what is added with it.
  void AddOriginalAttention(const BlockWeights& original, const at::Tensor& heads, int64_t first, int64_t count,
                            at::Tensor& stream) {
    if (is_parallel()) {
      at::Tensor pending = pending_.Fill(first, count);
      AddAttention(config_, original, heads, pending.zero_());
      pending_.Keep(first, count);
      return;
    }
    AddAttention(config_, original, heads, stream);
    streams_.original.Keep(first, count);
  }

  /// Adds the attention to the quantized stream, unless the MLP reads the same stream, and reads the MLP's input.
  absl::Status LeaveAttention(const BlockWeights& original, BlockWeights& quantized, const GroupSolver* solver) {
    auto statistics = StatisticsFor(BlockInput::kMlp, original, solver);
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      const Part part("forward");
      at::Tensor stream = streams_.quantized.Read(first, count);
      if (!is_parallel()) {
        AddAttention(config_, quantized, heads_.Read(first, count), stream);
        streams_.quantized.Keep(first, count);
      }
      if (!statistics.has_value()) return;
      const at::Tensor original_stream = Original(first, count);
      const at::Tensor f = original_stream.defined() ? MlpInput(config_, original, original_stream) : at::Tensor();
      Gather(statistics, MlpInput(config_, quantized, stream), f, {});
    }));
    if (!is_parallel()) heads_ = {};
    return Solve(BlockInput::kMlp, statistics, solver, quantized);
  }

  /// Runs the MLP up to its hidden state; the original stream goes through the rest of the block at once.
  absl::Status RunMlp(const BlockWeights& original, BlockWeights& quantized, const GroupSolver* solver) {
    auto statistics = StatisticsFor(BlockInput::kMlpHidden, original, solver);
    const bool keeps_hidden = !options_.recomputes_hidden;
    if (keeps_hidden) hidden_ = streams_.quantized.Like(config_.intermediate_size);
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      const Part part("forward");
      const at::Tensor quantized_stream = streams_.quantized.Read(first, count);
      at::Tensor stream = Original(first, count);
      at::Tensor q;
      if (keeps_hidden || statistics.has_value())
        q = QuantizedInput(BlockInput::kMlpHidden, quantized, quantized_stream);
      if (keeps_hidden) {
        hidden_.Fill(first, count).copy_(q);
        hidden_.Keep(first, count);
      }
      at::Tensor f;
      // Beside an attention that has made the stream's error good nothing is left to do.
      const at::Tensor residual_error = !is_parallel() && JoinsStream(original, LinearRole::kDown)
                                            ? ResidualError(statistics, quantized_stream, stream)
                                            : at::Tensor();
      if (stream.defined()) {
        f = Hidden(original, stream);
        if (is_parallel()) stream.add_(pending_.Read(first, count));
        AddMlp(config_, original, f, stream);
        streams_.original.Keep(first, count);
      }
      Gather(statistics, q, f, residual_error);
    }));
    return Solve(BlockInput::kMlpHidden, statistics, solver, quantized);
  }

  absl::Status LeaveMlp(const BlockWeights& quantized) {
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      const Part part("forward");
      at::Tensor stream = streams_.quantized.Read(first, count);
      const at::Tensor hidden =
          hidden_.defined() ? hidden_.Read(first, count) : QuantizedInput(BlockInput::kMlpHidden, quantized, stream);
      if (is_parallel()) AddAttention(config_, quantized, heads_.Read(first, count), stream);
      AddMlp(config_, quantized, hidden, stream);
      streams_.quantized.Keep(first, count);
    }));
    heads_ = {};
    hidden_ = {};
    pending_ = {};
    return absl::OkStatus();
  }

  const ModelConfig& config_;
  const RotaryTable& rotary_;
  const BlockPassOptions& options_;
  Streams& streams_;
  WindowTensor pending_;  // [windows, length, hidden]: what the original attention adds where the MLP reads beside it
  // Of the quantized stream:
  WindowTensor heads_;   // [windows, length, heads*head_dim]
  WindowTensor hidden_;  // [windows, length, intermediate]; undefined when it is recomputed
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

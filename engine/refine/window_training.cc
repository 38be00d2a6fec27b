// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/window_training.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/forward/block.h"
#include "engine/ops/call_torch.h"
#include "engine/refine/deterministic.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr double kLeastShareOfMedian = 0.1;

/// Through all blocks.
at::Tensor Run(const ModelConfig& config, const RotaryTable& rotary, const std::vector<BlockWeights>& blocks,
               at::Tensor stream) {
  for (const BlockWeights& weights : blocks) stream = ForwardBlock(config, weights, stream, rotary, nullptr);
  return stream;
}

class Training {
 public:
  Training(const ModelConfig& config, const RotaryTable& rotary, absl::Span<TrainableBlock* const> blocks,
           const StreamPair& streams, const TrainingOptions& options)
      : config_(config),
        rotary_(rotary),
        blocks_(blocks),
        streams_(streams),
        options_(options),
        generator_(at::detail::createCPUGenerator(options.seed)) {}

  absl::StatusOr<TrainingResult> Run() {
    TrainingResult result{.error_before = HeldOutError()};
    if (!std::isfinite(result.error_before))
      return WithReason(absl::FailedPreconditionError("the quantized stream holds values that are not finite"),
                        "NUMERICAL_FAILURE");
    std::vector<NamedTensors> states;
    for (TrainableBlock* block : blocks_) states.push_back(block->Save());
    for (int64_t step = 1; step <= options_.steps; ++step) {
      if (options_.is_cancelled && options_.is_cancelled()) return absl::CancelledError("the job was cancelled");
      Step(step);
    }
    for (TrainableBlock* block : blocks_) block->Settle();
    result.error_after = HeldOutError();
    result.is_kept = result.error_after < result.error_before;
    for (size_t i = 0; i < blocks_.size() && !result.is_kept; ++i) blocks_[i]->Restore(states[i]);
    return result;
  }

 private:
  /// The windows of the next step; every window comes once before any comes again.
  at::Tensor NextWindows() {
    if (next_ + options_.step_windows > order_.size(0)) {
      order_ = at::randperm(streams_.trained, generator_, at::TensorOptions().dtype(at::kLong));
      next_ = 0;
    }
    const int64_t count = std::min(options_.step_windows, streams_.trained);
    const at::Tensor windows = order_.narrow(0, next_, count);
    next_ += count;
    return windows.to(streams_.input.device());
  }

  void Step(int64_t step) {
    const at::Tensor windows = NextWindows();
    std::vector<BlockWeights> weights;
    for (TrainableBlock* block : blocks_) weights.push_back(block->MakeWeights());
    const at::Tensor output = pivot::Run(config_, rotary_, weights, streams_.input.index_select(0, windows));
    StreamError(output, streams_.target.index_select(0, windows)).backward();
    const double share = ScheduledShare(step, options_.steps);
    for (TrainableBlock* block : blocks_)
      block->Learn({.codes = options_.rates.codes * share, .scales = options_.rates.scales * share}, step);
  }

  double HeldOutError() const {
    std::vector<BlockWeights> weights;
    for (const TrainableBlock* block : blocks_) weights.push_back(block->RoundedWeights());
    double sum = 0;
    const int64_t windows = streams_.input.size(0);
    for (int64_t first = streams_.trained; first < windows; first += options_.step_windows) {
      const int64_t count = std::min(options_.step_windows, windows - first);
      const at::Tensor output = pivot::Run(config_, rotary_, weights, streams_.input.narrow(0, first, count));
      sum += StreamError(output, streams_.target.narrow(0, first, count)).item<double>() * static_cast<double>(count);
    }
    return sum / static_cast<double>(windows - streams_.trained);
  }

  const ModelConfig& config_;
  const RotaryTable& rotary_;
  absl::Span<TrainableBlock* const> blocks_;
  const StreamPair& streams_;
  const TrainingOptions& options_;
  at::Generator generator_;
  at::Tensor order_ = at::empty({0}, at::kLong);
  int64_t next_ = 0;
};

}  // namespace

at::Tensor StreamError(const at::Tensor& output, const at::Tensor& target) {
  const at::Tensor exact = target.to(at::kFloat);
  const at::Tensor lengths = exact.square().sum(-1);
  const at::Tensor least = lengths.median() * kLeastShareOfMedian;
  return (output.to(at::kFloat) - exact).square().sum(-1).div(at::maximum(lengths, least).clamp_min(1e-30)).mean();
}

absl::StatusOr<TrainingResult> TrainBlocks(const ModelConfig& config, const RotaryTable& rotary,
                                           absl::Span<TrainableBlock* const> blocks, const StreamPair& streams,
                                           const TrainingOptions& options) {
  return CallTorch("teaching blocks", [&] {
    const Deterministic deterministic;
    return Training(config, rotary, blocks, streams, options).Run();
  });
}

}  // namespace pivot

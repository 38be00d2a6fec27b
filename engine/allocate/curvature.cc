// SPDX-License-Identifier: Apache-2.0
#include "engine/allocate/curvature.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <algorithm>
#include <cmath>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"

#include "engine/forward/block.h"
#include "engine/forward/ends.h"
#include "engine/ops/call_torch.h"
#include "engine/plan/work.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr uint64_t kDrawSeed = 0x5eed;

class Pass {
 public:
  Pass(const WeightReader& reader, const at::Tensor& windows, int64_t tile_windows,
       const std::function<bool()>& is_cancelled)
      : reader_(reader),
        config_(reader.config()),
        windows_(windows),
        tile_windows_(tile_windows),
        is_cancelled_(is_cancelled),
        rotary_(MakeRotaryTable(config_, windows.size(1), reader.dtype(), reader.device())),
        generator_(at::detail::createCPUGenerator(kDrawSeed)) {}

  absl::StatusOr<Curvature> Run() {
    PIVOT_RETURN_IF_ERROR(RunForward());
    PIVOT_RETURN_IF_ERROR(StartBackward());
    result_.blocks.resize(static_cast<size_t>(config_.num_blocks));
    for (int block = static_cast<int>(config_.num_blocks) - 1; block >= 0; --block)
      PIVOT_RETURN_IF_ERROR(RunBackward(block));
    FindDefect();
    return std::move(result_);
  }

 private:
  absl::Status ForEachTile(absl::FunctionRef<void(int64_t first, int64_t count)> body) const {
    const int64_t windows = windows_.size(0);
    for (int64_t first = 0; first < windows; first += tile_windows_) {
      if (is_cancelled_ && is_cancelled_()) return absl::CancelledError("the job was cancelled");
      body(first, std::min(tile_windows_, windows - first));
    }
    return absl::OkStatus();
  }

  /// A tile of the stream before a block, on the device.
  at::Tensor Stream(int block, int64_t first, int64_t count) const {
    return result_.streams[static_cast<size_t>(block)].narrow(0, first, count).to(reader_.device()).detach();
  }

  absl::Status RunForward() {
    const auto options = at::TensorOptions().dtype(reader_.dtype());
    for (int block = 0; block <= config_.num_blocks; ++block)
      result_.streams.push_back(at::empty({windows_.size(0), windows_.size(1), config_.hidden_size}, options));
    PIVOT_ASSIGN_OR_RETURN(const EmbeddingWeights embedding, reader_.ReadEmbedding());
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      const at::Tensor ids = windows_.narrow(0, first, count).to(reader_.device());
      result_.streams[0].narrow(0, first, count).copy_(EmbedTokens(config_, embedding, ids, 0));
    }));
    for (int block = 0; block < config_.num_blocks; ++block) {
      PIVOT_ASSIGN_OR_RETURN(const BlockWeights weights, reader_.ReadBlock(block));
      PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
        const at::Tensor output = ForwardBlock(config_, weights, Stream(block, first, count), rotary_, nullptr);
        result_.streams[static_cast<size_t>(block) + 1].narrow(0, first, count).copy_(output);
      }));
    }
    return absl::OkStatus();
  }

  /// What the loss of drawn tokens changes with each logit, [rows, vocab].
  at::Tensor LogitGradients(const at::Tensor& logits) {
    at::Tensor gradients = at::softmax(logits.detach(), -1, at::kFloat);
    const at::Tensor draws = at::rand({gradients.size(0), 1}, generator_, at::TensorOptions().dtype(at::kFloat));
    const at::Tensor below = gradients.cumsum(-1) < draws.to(gradients.device());
    const at::Tensor drawn = below.sum(-1, /*keepdim=*/true).clamp_max(gradients.size(1) - 1);
    return gradients.scatter_add_(1, drawn, at::full_like(drawn, -1.0, gradients.options())).to(logits.scalar_type());
  }

  /// Gradients of the stream behind the last block.
  absl::Status StartBackward() {
    PIVOT_ASSIGN_OR_RETURN(const HeadWeights head, reader_.ReadHead());
    gradients_ = at::empty_like(result_.streams.back());
    const int last = static_cast<int>(config_.num_blocks);
    const int64_t rows = LogitRows(reader_.device());
    return ForEachTile([&](int64_t first, int64_t count) {
      for (int64_t window = first; window < first + count; ++window) {
        const at::Tensor stream = Stream(last, window, 1).requires_grad_(true);
        for (int64_t row = 0; row < stream.size(1); row += rows) {
          const at::Tensor part = stream.narrow(1, row, std::min(rows, stream.size(1) - row));
          const at::Tensor logits = ComputeHead(config_, head, HeadInput(config_, head, part))[0];
          logits.backward(LogitGradients(logits));
        }
        gradients_.narrow(0, window, 1).copy_(stream.grad());
      }
    });
  }

  /// Of the gradients of a layer's outputs; an expert that no token was sent to has none.
  static void AddSquares(const std::vector<at::Tensor>& outputs, at::Tensor& sum) {
    for (const at::Tensor& y : outputs) {
      if (!y.grad().defined()) continue;
      const at::Tensor squares = y.grad().to(at::kFloat).square_().flatten(0, -2).sum(0);
      sum = sum.defined() ? sum + squares : squares;
    }
  }

  absl::Status RunBackward(int block) {
    PIVOT_ASSIGN_OR_RETURN(BlockWeights weights, reader_.ReadBlock(block));
    const std::vector<BlockLinear> linears = BlockLinears(config_, block);
    std::vector<std::vector<at::Tensor>> outputs(linears.size());
    for (size_t i = 0; i < linears.size(); ++i)
      weights.linear(linears[i].role, linears[i].expert).outputs = &outputs[i];
    BlockCurvature& curvature = result_.blocks[static_cast<size_t>(block)];
    PIVOT_RETURN_IF_ERROR(ForEachTile([&](int64_t first, int64_t count) {
      const at::Tensor input = Stream(block, first, count).requires_grad_(true);
      const at::Tensor output = ForwardBlock(config_, weights, input, rotary_, nullptr);
      output.backward(gradients_.narrow(0, first, count).to(reader_.device()));
      gradients_.narrow(0, first, count).copy_(input.grad());
      for (size_t i = 0; i < linears.size(); ++i) {
        AddSquares(outputs[i], curvature[{linears[i].role, linears[i].expert}]);
        outputs[i].clear();
      }
    }));
    for (auto& [layer, sum] : curvature) {
      if (sum.defined()) sum.div_(static_cast<double>(windows_.numel()));
    }
    return absl::OkStatus();
  }

  void FindDefect() {
    for (size_t block = 0; block < result_.blocks.size(); ++block) {
      for (const auto& [layer, curvature] : result_.blocks[block]) {
        const auto [role, expert] = layer;
        if (!curvature.defined() && expert != kNoExpert) continue;
        const double sum = curvature.defined() ? curvature.sum(at::kDouble).item<double>() : 0;
        if (std::isfinite(sum) && sum > 0) continue;
        result_.defect = LinearModule(config_, static_cast<int>(block), role, expert);
        return;
      }
    }
  }

  const WeightReader& reader_;
  const ModelConfig& config_;
  const at::Tensor& windows_;
  int64_t tile_windows_;
  const std::function<bool()>& is_cancelled_;
  RotaryTable rotary_;
  at::Generator generator_;
  at::Tensor gradients_;  // of the stream behind the block in work, as Curvature::streams
  Curvature result_;
};

}  // namespace

absl::StatusOr<Curvature> MeasureCurvature(const WeightReader& reader, const at::Tensor& windows, int64_t tile_windows,
                                           const std::function<bool()>& is_cancelled) {
  return CallTorch("measuring curvature", [&] { return Pass(reader, windows, tile_windows, is_cancelled).Run(); });
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/layerwise.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/block_shard.h"
#include "engine/checkpoint/narrow_tensor.h"
#include "engine/forward/block_reader.h"
#include "engine/model/block_linears.h"
#include "engine/ops/call_torch.h"
#include "engine/ops/part_seconds.h"
#include "engine/plan/work.h"
#include "engine/quantize/block_writer.h"
#include "engine/quantize/check_ends.h"
#include "engine/quantize/damaged_shards.h"
#include "engine/quantize/scheme_parts.h"
#include "engine/quantize/solve_group.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr char kStage[] = "layerwise";

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// The same status, its message headed by the layer it is about.
absl::Status Located(const absl::Status& status, const std::string& module) {
  absl::Status located(status.code(), absl::StrCat(module, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { located.SetPayload(url, payload); });
  return located;
}

class LayerwiseStage {
 public:
  LayerwiseStage(const LayerwiseInput& input, const JobHooks& hooks)
      : input_(input),
        hooks_(hooks),
        config_(input.source->config()),
        total_(static_cast<int>(config_.num_blocks)),
        reader_(*input.source),
        writer_(input.shard_folder, input.source->folder().model, *input.journal) {}

  absl::StatusOr<LayerwiseResult> Run() {
    if (hooks_.stage_started) hooks_.stage_started(kStage, total_);
    PIVOT_RETURN_IF_ERROR(CheckEnds(*input_.source, input_.schemes->ends()));
    PIVOT_RETURN_IF_ERROR(DropDamagedShards(input_.shard_folder, *input_.journal, hooks_.warning));
    PIVOT_RETURN_IF_ERROR(BeginStreams());
    const int num_finished = static_cast<int>(input_.journal->entries().size());
    for (int block = 0; block < total_; ++block)
      PIVOT_RETURN_IF_ERROR(block < num_finished ? TakeOver(block) : Quantize(block));
    PIVOT_RETURN_IF_ERROR(FinishWriting());
    if (calibrates())
      result_.state = streams_.quantized.Read(0, std::min(options_.tile_windows, streams_.quantized.windows()))
                          .narrow(0, 0, 1)
                          .clone();
    return std::move(result_);
  }

 private:
  bool calibrates() const { return input_.spec->quantize.method == Method::kGptq; }
  const OutputShard& Shard(int block) const { return (*input_.shards)[static_cast<size_t>(block)]; }

  absl::Status BeginStreams() {
    if (!calibrates()) return absl::OkStatus();
    reader_.Begin(0);
    if (input_.source->device().is_cuda()) writer_.Reserve(config_, input_.schemes->WidestBits());
    const int64_t length = input_.windows.size(1);
    options_.is_cancelled = hooks_.is_cancelled;
    options_.gathers_residual = input_.spec->quantize.qep_residual > 0;
    options_.recomputes_hidden = input_.placement.recomputes_hidden;
    const DeviceKind kind = input_.source->device().is_cuda() ? DeviceKind::kCuda : DeviceKind::kCpu;
    options_.tile_windows = TileWindows(kind, length);
    PIVOT_ASSIGN_OR_RETURN(const EmbeddingWeights embedding, input_.source->ReadEmbedding());
    return CallTorchStatus("embedding the calibration windows", [&] {
      rotary_ = MakeRotaryTable(config_, length, input_.source->dtype(), input_.source->device());
      const auto embed = [&](const EmbeddingWeights& weights) {
        return EmbedWindows(config_, weights, input_.windows, options_.tile_windows, input_.placement.resident_windows);
      };
      EmbeddingWeights written = embedding;
      if (input_.schemes->ends().embedding) written.tokens = RoundToFloat8(embedding.tokens);
      streams_.quantized = embed(written);
      if (input_.spec->quantize.propagates()) streams_.original = embed(embedding);
      return absl::OkStatus();
    });
  }

  /// A block that an earlier attempt finished: only the streams have to pass it.
  absl::Status TakeOver(int block) {
    const auto start = Clock::now();
    const JournalEntry& entry = input_.journal->entries()[static_cast<size_t>(block)];
    if (calibrates()) {
      PIVOT_ASSIGN_OR_RETURN(const BlockWeights original, reader_.Read(block));
      PIVOT_ASSIGN_OR_RETURN(const auto weights, ReadShardWeights(input_.shard_folder + "/" + entry.file,
                                                                  StoredLinears(config_, block, *input_.schemes)));
      BlockWeights quantized = original;
      for (const BlockLinear& linear : BlockLinears(config_, block)) {
        const auto found = weights.find(linear.module);
        if (found == weights.end()) continue;
        quantized.linear(linear.role, linear.expert).weight =
            found->second.to(input_.source->device(), input_.source->dtype());
      }
      PIVOT_RETURN_IF_ERROR(AdvanceBlock(config_, original, quantized, rotary_, options_, streams_));
    }
    const double relative_error = entry.record.value("relative_error", 0.0);
    Finish({.stage = kStage,
            .block = block,
            .total = total_,
            .seconds = SecondsSince(start),
            .relative_error = relative_error,
            .resumed = true});
    result_.blocks.push_back(entry.record);
    return absl::OkStatus();
  }

  /// Waits for the block that is being written, if any, and tells of it.
  absl::Status FinishWriting() {
    if (!writer_.is_busy()) return absl::OkStatus();
    const Part part("write");
    PIVOT_ASSIGN_OR_RETURN(json record, writer_.Finish());
    result_.blocks.push_back(std::move(record));
    Finish(written_);
    return absl::OkStatus();
  }

  absl::Status Quantize(int block) {
    const auto start = Clock::now();
    if (hooks_.is_cancelled && hooks_.is_cancelled()) return absl::CancelledError("the job was cancelled");
    BlockResult result;
    PIVOT_RETURN_IF_ERROR(calibrates() ? QuantizeCalibrated(block, result) : QuantizeUncalibrated(block, result));
    const double relative_error = result.energy > 0 ? result.loss / result.energy : 0;
    WarnOfFallbacks(block, result.reports);
    json record{{"block", block},
                {"solve_seconds", result.solve_seconds},
                {"relative_error", relative_error},
                {"stream_distance", StreamDistance(streams_, options_.tile_windows)},
                {"linears", std::move(result.reports)}};
    PIVOT_RETURN_IF_ERROR(FinishWriting());  // before the copies to the host are made, whose memory it has
    const Part part("pack");
    PIVOT_ASSIGN_OR_RETURN(EncodedLinears linears, EncodeLinears(result.linears, {}));
    record["seconds"] = SecondsSince(start);
    written_ = {.stage = kStage,
                .block = block,
                .total = total_,
                .seconds = SecondsSince(start),
                .relative_error = relative_error};
    writer_.Begin(block, kStage, Shard(block), std::move(linears), std::move(record));
    return absl::OkStatus();
  }

  struct BlockResult {
    QuantizedLinears linears;
    json reports = json::array();
    double loss = 0;
    double energy = 0;
    double solve_seconds = 0;
  };

  /// Weights as they are in the file: the compute dtype may have fewer digits. `original` may be null.
  absl::StatusOr<std::vector<at::Tensor>> ExactWeights(int block, const BlockGroup& group,
                                                       const BlockWeights* original) const {
    std::vector<at::Tensor> weights;
    for (const LinearRole role : group.members) {
      const std::string module = LinearModule(config_, block, role, group.expert);
      const LinearShape shape = ShapeInBlock(config_, block, role);
      if (original != nullptr && input_.source->IsReadExactly(module, shape)) {
        weights.push_back(original->linear(role, group.expert).weight);
        continue;
      }
      PIVOT_ASSIGN_OR_RETURN(const at::Tensor weight, input_.source->ReadExact(module, shape));
      weights.push_back(weight.to(input_.source->device()));
    }
    return weights;
  }

  /// Quantizes one group, those of its layers together that have one scheme; layers without one stay as they are. Puts
  /// the weights into `block_weights`, which holds the original ones, where that is not null.
  absl::Status SolveInto(int block, const SolverGroup& group, InputMoments moments, BlockWeights* block_weights,
                         BlockResult& result) {
    const std::vector<SchemePart> parts = SplitByScheme(*input_.schemes, block, group);
    if (parts.empty()) return absl::OkStatus();
    for (size_t i = 0; i + 1 < parts.size(); ++i)
      PIVOT_RETURN_IF_ERROR(SolveAlike(block, parts[i], moments, block_weights, result));
    return SolveAlike(block, parts.back(), std::move(moments), block_weights, result);
  }

  absl::Status SolveAlike(int block, const SchemePart& part, InputMoments moments, BlockWeights* block_weights,
                          BlockResult& result) {
    const auto& [scheme, group] = part;
    const auto start = Clock::now();
    PIVOT_ASSIGN_OR_RETURN(const std::vector<at::Tensor> weights, ExactWeights(block, group, block_weights));
    auto solved = SolveGroup(weights, std::move(moments), scheme, input_.spec->OptionsFor(scheme));
    if (!solved.ok())
      return Located(solved.status(), LinearModule(config_, block, group.members.front(), group.expert));
    // Losses by rounding are in other units.
    const bool counts = group.use.fallback != ExpertFallback::kRounding;
    for (size_t i = 0; i < solved->size(); ++i) {
      const LinearRole role = group.members[i];
      const std::string module = LinearModule(config_, block, role, group.expert);
      LinearReport& report = (*solved)[i].report;
      if (calibrates() && group.expert != kNoExpert) report.use = group.use;
      result.loss += counts ? report.loss : 0;
      result.energy += counts ? report.energy : 0;
      result.reports.push_back(ToJson(module, scheme, report));
      if (block_weights != nullptr)
        block_weights->linear(role, group.expert).weight = (*solved)[i].dequantized.to(input_.source->dtype());
      result.linears[module] = std::move((*solved)[i].quantized);
      WarnOfDamping(module, report);
    }
    result.solve_seconds += SecondsSince(start);
    return absl::OkStatus();
  }

  absl::Status QuantizeCalibrated(int block, BlockResult& result) {
    options_.prefix = BlockPrefix(*config_.architecture, block);
    PIVOT_ASSIGN_OR_RETURN(const BlockWeights original, reader_.Read(block));
    const auto solver = [&](const SolverGroup& group, InputMoments moments, BlockWeights& quantized) {
      ReportProgress(block, group);
      return SolveInto(block, group, std::move(moments), &quantized, result);
    };
    return CalibrateBlock(config_, original, rotary_, options_, solver, streams_);
  }

  absl::Status QuantizeUncalibrated(int block, BlockResult& result) {
    for (const BlockGroup& group : BlockGroups(config_, block)) {
      ReportProgress(block, group);
      PIVOT_RETURN_IF_ERROR(SolveInto(block, {group}, {}, nullptr, result));
    }
    return absl::OkStatus();
  }

  void WarnOfDamping(const std::string& module, const LinearReport& report) const {
    if (!hooks_.warning || report.percdamp <= input_.spec->quantize.percdamp * 1.001) return;
    hooks_.warning("DAMPING_RAISED", absl::StrCat(module, " needed a damping of ", report.percdamp, " instead of ",
                                                  input_.spec->quantize.percdamp));
  }

  void WarnOfFallbacks(int block, const json& reports) const {
    const std::string fallbacks = DescribeFallbacks(reports);
    if (!hooks_.warning || fallbacks.empty()) return;
    hooks_.warning("EXPERTS_STARVED", absl::StrCat("block ", block, ": ", fallbacks));
  }

  void ReportProgress(int block, const BlockGroup& group) const {
    if (!hooks_.progress) return;
    std::string names = group.expert == kNoExpert ? "" : absl::StrCat("expert ", group.expert, " ");
    for (const LinearRole role : group.members) {
      const std::string name = LinearModule(config_, block, role, group.expert);
      absl::StrAppend(&names, role == group.members.front() ? "" : ", ", name.substr(name.rfind('.') + 1));
    }
    const double elapsed = SecondsSince(start_);
    const double remaining = quantized_blocks_ == 0 ? 0 : quantized_seconds_ / quantized_blocks_ * (total_ - block);
    hooks_.progress({.stage = kStage,
                     .done = block,
                     .total = total_,
                     .detail = absl::StrCat("block ", block, ": ", names),
                     .elapsed_seconds = elapsed,
                     .remaining_seconds = remaining});
  }

  void Finish(const BlockProgress& progress) {
    input_.source->ReleaseBlock(progress.block);
    if (!progress.resumed) {
      ++quantized_blocks_;
      quantized_seconds_ += progress.seconds;
    }
    if (hooks_.block_done) hooks_.block_done(progress);
  }

  const LayerwiseInput& input_;
  const JobHooks& hooks_;
  const ModelConfig& config_;
  int total_;
  BlockPassOptions options_;
  RotaryTable rotary_;
  Streams streams_;
  LayerwiseResult result_;
  BlockReader reader_;
  BlockWriter writer_;
  BlockProgress written_;  // of the block that the writer has
  Clock::time_point start_ = Clock::now();
  int quantized_blocks_ = 0;
  double quantized_seconds_ = 0;
};

}  // namespace

absl::StatusOr<LayerwiseResult> RunLayerwise(const LayerwiseInput& input, const JobHooks& hooks) {
  return CallTorch("the layer-wise stage", [&] { return LayerwiseStage(input, hooks).Run(); });
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/layerwise.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/block_shard.h"
#include "engine/ops/call_torch.h"
#include "engine/quantize/solve_group.h"
#include "proto/files/sha256.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr char kStage[] = "layerwise";
// Tokens of one step: what keeps a processor's caches, or a GPU, busy.
constexpr int64_t kCpuTileTokens = 4096;
constexpr int64_t kGpuTileTokens = 32768;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

json LinearJson(const std::string& name, const WeightScheme& scheme, const LinearReport& report) {
  json entry{{"name", name},
             {"type", std::string(CodeTypeName(scheme.type))},
             {"bits", scheme.bits},
             {"group_size", scheme.group_size},
             {"loss", report.loss},
             {"relative_error", report.energy > 0 ? report.loss / report.energy : 0.0},
             {"correction", report.correction},
             {"percdamp", report.percdamp},
             {"dead_columns", report.dead_columns}};
  if (report.output_error.has_value()) entry["output_error"] = *report.output_error;
  return entry;
}

/// The same status, its message headed by the layer it is about.
absl::Status Located(const absl::Status& status, const std::string& module) {
  absl::Status located(status.code(), absl::StrCat(module, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { located.SetPayload(url, payload); });
  return located;
}

class LayerwiseStage {
 public:
  LayerwiseStage(const LayerwiseInput& input, const JobHooks& hooks)
      : input_(input), hooks_(hooks), config_(input.source->config()), total_(static_cast<int>(config_.num_blocks)) {}

  absl::StatusOr<LayerwiseResult> Run() {
    if (hooks_.stage_started) hooks_.stage_started(kStage, total_);
    PIVOT_RETURN_IF_ERROR(DropBadEntries());
    PIVOT_RETURN_IF_ERROR(BeginStreams());
    LayerwiseResult result;
    for (int block = 0; block < total_; ++block) {
      const bool is_finished = block < static_cast<int>(input_.journal->entries().size());
      PIVOT_ASSIGN_OR_RETURN(json record, is_finished ? TakeOver(block) : Quantize(block));
      result.blocks.push_back(std::move(record));
    }
    if (calibrates()) result.state = streams_.quantized.narrow(0, 0, 1).clone();
    return result;
  }

 private:
  bool calibrates() const { return input_.spec->quantize.method == Method::kGptq; }
  const OutputShard& Shard(int block) const { return (*input_.shards)[static_cast<size_t>(block)]; }

  /// A journal may speak of shards that are no longer good; from the first such on everything is done again.
  absl::Status DropBadEntries() const {
    const std::vector<JournalEntry>& entries = input_.journal->entries();
    for (size_t i = 0; i < entries.size(); ++i) {
      const auto found = Sha256OfFile(input_.shard_folder + "/" + entries[i].file);
      if (found.ok() && *found == entries[i].sha256) continue;
      if (hooks_.warning)
        hooks_.warning("SHARD_DAMAGED",
                       absl::StrCat(entries[i].file, " is missing or damaged; block ", i, " is done again"));
      return input_.journal->Truncate(i);
    }
    return absl::OkStatus();
  }

  absl::Status BeginStreams() {
    if (!calibrates()) return absl::OkStatus();
    const int64_t length = input_.windows.size(1);
    options_.is_cancelled = hooks_.is_cancelled;
    options_.tile_windows =
        TileWindows(input_.source->device().is_cuda() ? DeviceKind::kCuda : DeviceKind::kCpu, length);
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor embedding, input_.source->ReadEmbedding());
    return CallTorchStatus("embedding the calibration windows", [&] {
      rotary_ = MakeRotaryTable(config_, length, input_.source->dtype(), input_.source->device());
      streams_.quantized = at::embedding(embedding, input_.windows.to(input_.source->device()));
      if (input_.spec->quantize.propagates()) streams_.original = streams_.quantized.clone();
      return absl::OkStatus();
    });
  }

  /// A block that an earlier attempt finished: only the streams have to pass it.
  absl::StatusOr<json> TakeOver(int block) {
    const auto start = Clock::now();
    const JournalEntry& entry = input_.journal->entries()[static_cast<size_t>(block)];
    if (calibrates()) {
      PIVOT_ASSIGN_OR_RETURN(const BlockWeights original, input_.source->ReadBlock(block));
      PIVOT_ASSIGN_OR_RETURN(const auto weights,
                             ReadShardWeights(input_.shard_folder + "/" + entry.file, StoredLinears(block)));
      BlockWeights quantized = original;
      for (const LinearEntry& linear : config_.architecture->linears) {
        const at::Tensor& weight = weights.at(BlockPrefix(*config_.architecture, block) + std::string(linear.name));
        quantized.linear(linear.role).weight = weight.to(input_.source->device(), input_.source->dtype());
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
    return entry.record;
  }

  std::vector<StoredLinear> StoredLinears(int block) const {
    std::vector<StoredLinear> stored;
    for (const LinearEntry& linear : config_.architecture->linears) {
      stored.push_back({.module = ModuleName(block, linear.role),
                        .shape = ShapeOf(config_, linear.role),
                        .storage = {.scheme = input_.spec->scheme}});
    }
    return stored;
  }

  absl::StatusOr<json> Quantize(int block) {
    const auto start = Clock::now();
    if (hooks_.is_cancelled && hooks_.is_cancelled()) return absl::CancelledError("the job was cancelled");
    BlockResult result;
    PIVOT_RETURN_IF_ERROR(calibrates() ? QuantizeCalibrated(block, result) : QuantizeUncalibrated(block, result));
    const auto write_start = Clock::now();
    PIVOT_ASSIGN_OR_RETURN(const WrittenFile written, WriteShard(input_.shard_folder, Shard(block), result.linears, {},
                                                                 input_.source->folder().model));
    const double write_seconds = SecondsSince(write_start);
    const double relative_error = result.energy > 0 ? result.loss / result.energy : 0;
    json record{{"block", block},
                {"seconds", SecondsSince(start)},
                {"solve_seconds", result.solve_seconds},
                {"write_seconds", write_seconds},
                {"relative_error", relative_error},
                {"stream_distance", StreamDistance()},
                {"linears", std::move(result.reports)}};
    PIVOT_RETURN_IF_ERROR(input_.journal->Append({.stage = kStage,
                                                  .block = block,
                                                  .file = Shard(block).file_name,
                                                  .size = written.size,
                                                  .sha256 = written.sha256,
                                                  .record = record}));
    Finish({.stage = kStage,
            .block = block,
            .total = total_,
            .seconds = SecondsSince(start),
            .relative_error = relative_error});
    return record;
  }

  struct BlockResult {
    QuantizedLinears linears;
    json reports = json::array();
    double loss = 0;
    double energy = 0;
    double solve_seconds = 0;
  };

  /// Weights as they are in the file: the compute dtype may have fewer digits.
  absl::StatusOr<std::vector<at::Tensor>> ExactWeights(int block, const LinearGroup& group) const {
    std::vector<at::Tensor> weights;
    for (const LinearRole role : group.members) {
      const std::string module = ModuleName(block, role);
      PIVOT_ASSIGN_OR_RETURN(const at::Tensor weight, input_.source->ReadExact(module, ShapeOf(config_, role)));
      weights.push_back(weight.to(input_.source->device()));
    }
    return weights;
  }

  std::string ModuleName(int block, LinearRole role) const {
    return BlockPrefix(*config_.architecture, block) + std::string(config_.architecture->linear(role).name);
  }

  /// Quantizes one group; puts its weights into `block_weights` where that is not null.
  absl::Status SolveInto(int block, const LinearGroup& group, const InputStatistics* statistics,
                         BlockWeights* block_weights, BlockResult& result) {
    const auto start = Clock::now();
    PIVOT_ASSIGN_OR_RETURN(const std::vector<at::Tensor> weights, ExactWeights(block, group));
    auto solved = SolveGroup(weights, statistics, input_.spec->scheme, input_.spec->quantize);
    if (!solved.ok()) return Located(solved.status(), ModuleName(block, group.members.front()));
    for (size_t i = 0; i < solved->size(); ++i) {
      const LinearRole role = group.members[i];
      const std::string module = ModuleName(block, role);
      result.loss += (*solved)[i].report.loss;
      result.energy += (*solved)[i].report.energy;
      result.reports.push_back(LinearJson(module, input_.spec->scheme, (*solved)[i].report));
      if (block_weights != nullptr)
        block_weights->linear(role).weight = (*solved)[i].dequantized.to(input_.source->dtype());
      result.linears[module] = std::move((*solved)[i].quantized);
      WarnOfDamping(module, (*solved)[i].report);
    }
    result.solve_seconds += SecondsSince(start);
    return absl::OkStatus();
  }

  absl::Status QuantizeCalibrated(int block, BlockResult& result) {
    PIVOT_ASSIGN_OR_RETURN(const BlockWeights original, input_.source->ReadBlock(block));
    const auto solver = [&](const LinearGroup& group, const InputStatistics& statistics, BlockWeights& quantized) {
      ReportProgress(block, group);
      return SolveInto(block, group, &statistics, &quantized, result);
    };
    return CalibrateBlock(config_, original, rotary_, options_, solver, streams_);
  }

  absl::Status QuantizeUncalibrated(int block, BlockResult& result) {
    for (const LinearGroup& group : config_.architecture->groups) {
      ReportProgress(block, group);
      PIVOT_RETURN_IF_ERROR(SolveInto(block, group, nullptr, nullptr, result));
    }
    return absl::OkStatus();
  }

  void WarnOfDamping(const std::string& module, const LinearReport& report) const {
    if (!hooks_.warning || report.percdamp <= input_.spec->quantize.percdamp * 1.001) return;
    hooks_.warning("DAMPING_RAISED", absl::StrCat(module, " needed a damping of ", report.percdamp, " instead of ",
                                                  input_.spec->quantize.percdamp));
  }

  /// ||quantized - original||^2 / ||original||^2 behind the block; 0 without both streams.
  double StreamDistance() const {
    if (!streams_.original.defined()) return 0;
    const auto energy = [](const at::Tensor& x) { return x.to(at::kFloat).square().sum(at::kDouble).item<double>(); };
    const double size = energy(streams_.original);
    return size > 0 ? energy(streams_.quantized - streams_.original) / size : 0;
  }

  void ReportProgress(int block, const LinearGroup& group) const {
    if (!hooks_.progress) return;
    std::string names;
    for (const LinearRole role : group.members) {
      const absl::string_view name = config_.architecture->linear(role).name;
      absl::StrAppend(&names, names.empty() ? "" : ", ", name.substr(name.rfind('.') + 1));
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
  Clock::time_point start_ = Clock::now();
  int quantized_blocks_ = 0;
  double quantized_seconds_ = 0;
};

}  // namespace

int64_t TileWindows(DeviceKind device, int64_t sequence_length) {
  const int64_t tokens = device == DeviceKind::kCuda ? kGpuTileTokens : kCpuTileTokens;
  return std::max<int64_t>(1, tokens / sequence_length);
}

absl::StatusOr<LayerwiseResult> RunLayerwise(const LayerwiseInput& input, const JobHooks& hooks) {
  return CallTorch("the layer-wise stage", [&] { return LayerwiseStage(input, hooks).Run(); });
}

}  // namespace pivot

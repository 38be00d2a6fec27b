// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/blockwise.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/block_shard.h"
#include "engine/checkpoint/journal.h"
#include "engine/forward/block_reader.h"
#include "engine/ops/call_torch.h"
#include "engine/plan/work.h"
#include "engine/quantize/block_writer.h"
#include "engine/quantize/damaged_shards.h"
#include "engine/refine/refine_streams.h"
#include "engine/refine/state_file.h"
#include "engine/refine/window_training.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr char kStage[] = "blockwise";
constexpr int kBlocksTogether = 2;
constexpr char kCarriedHash[] = "carried_sha256";

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class BlockwiseStage {
 public:
  BlockwiseStage(const RefineInput& input, const JobHooks& hooks, Journal& journal)
      : input_(input),
        hooks_(hooks),
        config_(input.source->config()),
        total_(static_cast<int>(config_.num_blocks)),
        windows_(input.text.windows),
        tile_windows_(
            TileWindows(input.source->device().is_cuda() ? DeviceKind::kCuda : DeviceKind::kCpu, windows_.size(1))),
        journal_(journal),
        ahead_(*input.source),
        writer_(input.to_folder, input.source->folder().model, journal) {}

  absl::StatusOr<RefineResult> Run() {
    if (hooks_.stage_started) hooks_.stage_started(kStage, total_);
    PIVOT_RETURN_IF_ERROR(DropDamagedShards(input_.to_folder, journal_, hooks_.warning));
    PIVOT_RETURN_IF_ERROR(DropWithoutCarried());
    PIVOT_RETURN_IF_ERROR(BeginStreams());
    const int num_finished = static_cast<int>(journal_.entries().size());
    for (int block = 0; block < total_; ++block) {
      PIVOT_RETURN_IF_ERROR(block < num_finished ? TakeOver(block) : Refine(block));
      PIVOT_RETURN_IF_ERROR(MoveTarget(block + kBlocksTogether));
    }
    PIVOT_RETURN_IF_ERROR(FinishWriting());
    result_.state = streams_.input.narrow(0, 0, 1).clone();
    return std::move(result_);
  }

 private:
  const std::function<bool()>& is_cancelled() const { return hooks_.is_cancelled; }

  std::string CarriedPath(int block) const {
    return absl::StrCat(input_.to_folder, "/carried-", block, ".safetensors");
  }

  /// The last finished block left what the next one has learned beside it.
  absl::Status DropWithoutCarried() {
    const size_t finished = journal_.entries().size();
    if (finished == 0 || finished == static_cast<size_t>(total_)) return absl::OkStatus();
    const std::string wanted = journal_.entries().back().record.value(kCarriedHash, "");
    PIVOT_ASSIGN_OR_RETURN(TrainableBlock next, Begin(static_cast<int>(finished)));
    const auto state = ReadStateFile(CarriedPath(static_cast<int>(finished)), wanted, next.Save());
    if (state.ok()) {
      next.Restore(*state);
      carried_.emplace(std::move(next));
      return absl::OkStatus();
    }
    if (hooks_.warning)
      hooks_.warning("SHARD_DAMAGED", absl::StrCat(state.status().message(), "; blocks are done again"));
    return journal_.Truncate(0);
  }

  absl::Status BeginStreams() {
    PIVOT_ASSIGN_OR_RETURN(const EmbeddingWeights embedding, input_.source->ReadEmbedding());
    rotary_ = MakeRotaryTable(config_, windows_.size(1), input_.source->dtype(), input_.source->device());
    streams_.target = EmbedAll(config_, embedding, windows_, tile_windows_);
    streams_.input = EmbedAll(config_, WrittenEmbedding(embedding, input_.schemes->ends()), windows_, tile_windows_);
    streams_.trained = windows_.size(0) - input_.text.held_out;
    ahead_.Begin(0);
    for (int block = 0; block < kBlocksTogether; ++block) PIVOT_RETURN_IF_ERROR(MoveTarget(block));
    return absl::OkStatus();
  }

  /// The original stream behind the block; nothing when there is none.
  absl::Status MoveTarget(int block) {
    if (block >= total_) return absl::OkStatus();
    PIVOT_ASSIGN_OR_RETURN(const BlockWeights original, ahead_.Read(block));
    return AdvanceStream(config_, rotary_, original, tile_windows_, is_cancelled(), streams_.target);
  }

  absl::StatusOr<QuantizedLinears> Linears(const std::string& folder, int block) const {
    return ReadShardLinears(folder + "/" + (*input_.shards)[static_cast<size_t>(block)].file_name,
                            StoredLinears(config_, block, *input_.schemes));
  }

  /// A block as the checkpoint has it that is made better.
  absl::StatusOr<TrainableBlock> Begin(int block) const {
    PIVOT_ASSIGN_OR_RETURN(const BlockWeights original, input_.source->ReadBlock(block));
    PIVOT_ASSIGN_OR_RETURN(const QuantizedLinears linears, Linears(input_.from_folder, block));
    return TrainableBlock(config_, block, original, linears, Learned::kScalesAndCodes, *input_.spec);
  }

  /// A block that an earlier attempt finished.
  absl::Status TakeOver(int block) {
    const auto start = Clock::now();
    const json& record = journal_.entries()[static_cast<size_t>(block)].record;
    PIVOT_ASSIGN_OR_RETURN(const BlockWeights original, input_.source->ReadBlock(block));
    PIVOT_ASSIGN_OR_RETURN(const QuantizedLinears linears, Linears(input_.to_folder, block));
    const TrainableBlock finished(config_, block, original, linears, Learned::kScales, *input_.spec);
    PIVOT_RETURN_IF_ERROR(Advance(finished));
    result_.records.push_back(record);
    Finish({.stage = kStage,
            .block = block,
            .total = total_,
            .seconds = SecondsSince(start),
            .relative_error = record.value("error", 0.0),
            .resumed = true});
    return absl::OkStatus();
  }

  absl::Status Advance(const TrainableBlock& block) {
    return AdvanceStream(config_, rotary_, block.RoundedWeights(), tile_windows_, is_cancelled(), streams_.input);
  }

  absl::Status Refine(int block) {
    const auto start = Clock::now();
    ReportProgress(block);
    std::optional<TrainableBlock> current = std::exchange(carried_, std::nullopt);
    if (!current.has_value()) {
      PIVOT_ASSIGN_OR_RETURN(current, Begin(block));
    }
    std::vector<TrainableBlock*> together = {&*current};
    if (block + 1 < total_) {
      PIVOT_ASSIGN_OR_RETURN(carried_, Begin(block + 1));
      together.push_back(&*carried_);
    }
    const RefineOptions& options = input_.spec->refine;
    const TrainingOptions training{
        .steps = options.block_steps,
        .step_windows = std::max<int64_t>(1, options.step_tokens / windows_.size(1)),
        .rates = {.codes = options.code_rate, .scales = options.scale_rate},
        .seed = static_cast<uint64_t>(input_.spec->calibration.seed) + static_cast<uint64_t>(block),
        .is_cancelled = is_cancelled()};
    PIVOT_ASSIGN_OR_RETURN(const TrainingResult trained, TrainBlocks(config_, rotary_, together, streams_, training));
    json record{{"block", block},
                {"error_before", trained.error_before},
                {"error_trained", trained.error_after},
                {"error", trained.is_kept ? trained.error_after : trained.error_before},
                {"kept", trained.is_kept},
                {"moved_codes", current->MovedShare()}};
    return Write(block, *current, start, std::move(record));
  }

  absl::Status Write(int block, const TrainableBlock& current, Clock::time_point start, json record) {
    PIVOT_RETURN_IF_ERROR(Advance(current));
    PIVOT_RETURN_IF_ERROR(FinishWriting());  // before the copies to the host are made, whose memory it has
    if (carried_.has_value()) {
      PIVOT_ASSIGN_OR_RETURN(const WrittenFile file, WriteStateFile(CarriedPath(block + 1), carried_->Save()));
      record[kCarriedHash] = file.sha256;
    }
    PIVOT_ASSIGN_OR_RETURN(EncodedLinears linears, EncodeLinears(current.Rounded(), {}));
    record["seconds"] = SecondsSince(start);
    written_ = {.stage = kStage,
                .block = block,
                .total = total_,
                .seconds = SecondsSince(start),
                .relative_error = record["error"].get<double>()};
    writer_.Begin(block, kStage, (*input_.shards)[static_cast<size_t>(block)], std::move(linears), std::move(record));
    return absl::OkStatus();
  }

  /// Waits for the block that is being written, if any, and tells of it.
  absl::Status FinishWriting() {
    if (!writer_.is_busy()) return absl::OkStatus();
    PIVOT_ASSIGN_OR_RETURN(json record, writer_.Finish());
    result_.records.push_back(std::move(record));
    PIVOT_RETURN_IF_ERROR(RemoveAll(CarriedPath(written_.block)));
    Finish(written_);
    return absl::OkStatus();
  }

  void ReportProgress(int block) const {
    if (!hooks_.progress) return;
    const double elapsed = SecondsSince(start_);
    const int refined = block - resumed_;
    hooks_.progress({.stage = kStage,
                     .done = block,
                     .total = total_,
                     .detail = absl::StrCat("block ", block),
                     .elapsed_seconds = elapsed,
                     .remaining_seconds = refined > 0 ? elapsed / refined * (total_ - block) : 0});
  }

  void Finish(const BlockProgress& progress) {
    if (progress.resumed) ++resumed_;
    if (hooks_.block_done) hooks_.block_done(progress);
  }

  const RefineInput& input_;
  const JobHooks& hooks_;
  const ModelConfig& config_;
  int total_;
  at::Tensor windows_;
  int64_t tile_windows_;
  Journal& journal_;
  RotaryTable rotary_;
  StreamPair streams_;
  BlockReader ahead_;                      // of the original blocks, for the target
  std::optional<TrainableBlock> carried_;  // the next block, with what it has learned so far
  RefineResult result_;
  BlockWriter writer_;
  BlockProgress written_;  // of the block that the writer has
  Clock::time_point start_ = Clock::now();
  int resumed_ = 0;
};

}  // namespace

absl::StatusOr<RefineResult> RefineBlocks(const RefineInput& input, const JobHooks& hooks) {
  std::string refused;
  PIVOT_ASSIGN_OR_RETURN(Journal journal, Journal::Open(input.journal_path, input.identity, &refused));
  if (!refused.empty() && hooks.warning)
    hooks.warning("RESUME_REFUSED", absl::StrCat("earlier refinement differs in ", refused, "; it begins anew"));
  return CallTorch("block-wise refinement", [&] { return BlockwiseStage(input, hooks, journal).Run(); });
}

}  // namespace pivot

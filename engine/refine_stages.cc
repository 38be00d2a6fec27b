// SPDX-License-Identifier: Apache-2.0
#include "engine/refine_stages.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "engine/evaluate/paired_difference.h"
#include "engine/plan/refine_work.h"
#include "engine/refine/blockwise.h"
#include "engine/refine/global.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

struct Stage {
  const char* name;
  absl::StatusOr<RefineResult> (*run)(const RefineInput&, const JobHooks&);
};

std::vector<Stage> StagesOf(const RefineOptions& options) {
  std::vector<Stage> stages;
  if (options.runs_blockwise()) stages.push_back({.name = "blockwise", .run = RefineBlocks});
  if (options.runs_globally()) stages.push_back({.name = "global", .run = RefineGlobally});
  return stages;
}

class Refinement {
 public:
  Refinement(const RefinementInput& input, const JobHooks& hooks, json& records,
             const std::function<absl::Status(const RefinedPivot&)>& publish)
      : input_(input),
        hooks_(hooks),
        records_(records),
        publish_(publish),
        shard_folder_(input.shard_folder),
        best_(input.first),
        identity_(input.identity) {}

  absl::Status Run() {
    const PivotContext& context = input_.context;
    PIVOT_ASSIGN_OR_RETURN(text_,
                           MakeRefineText(*context.source, *context.spec, input_.windows, input_.first_tokens, hooks_));
    for (const Stage& stage : StagesOf(input_.context.spec->refine)) PIVOT_RETURN_IF_ERROR(RunStage(stage));
    return absl::OkStatus();
  }

 private:
  absl::Status RunStage(const Stage& stage) {
    const auto start = Clock::now();
    const std::string folder = absl::StrCat(input_.context.staging_folder, "/shards-", stage.name);
    PIVOT_RETURN_IF_ERROR(MakeFolders(folder));
    identity_["stage"] = stage.name;
    const PivotContext& context = input_.context;
    const RefineInput refine{.source = context.source,
                             .spec = context.spec,
                             .schemes = context.schemes,
                             .shards = context.shards,
                             .from_folder = shard_folder_,
                             .to_folder = folder,
                             .text = text_,
                             .journal_path = absl::StrCat(context.staging_folder, "/journal-", stage.name, ".jsonl"),
                             .identity = identity_};
    PIVOT_ASSIGN_OR_RETURN(RefineResult result, stage.run(refine, hooks_));
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (hooks_.stage_done) hooks_.stage_done(stage.name, seconds, FlopsOf(stage));
    json record{{"stage", stage.name}, {"seconds", seconds}, {"steps", std::move(result.records)}};
    return Judge(stage, folder,
                 {.tokens = input_.windows.narrow(0, 0, 1),
                  .state = std::move(result.state),
                  .narrows_head = context.schemes->NarrowsHead(context.source->config())},
                 std::move(record));
  }

  double FlopsOf(const Stage& stage) const {
    const PivotContext& context = input_.context;
    const RefineWork work =
        RefineWorkOf(context.source->config(), *context.spec, context.spec->refine, input_.device->kind());
    return stage.run == RefineBlocks ? work.blockwise : work.global;
  }

  /// Publishes what the stage has made if it is better than the newest pivot.
  absl::Status Judge(const Stage& stage, const std::string& folder, const MemoryTrace& trace, json record) {
    const int number = newest_ + 1;
    JobHooks quiet = hooks_;
    quiet.warning = nullptr;  // what loaders say of it was told of the first
    PIVOT_ASSIGN_OR_RETURN(const MadePivot made, MakePivot(input_.context, number, folder, trace, quiet));
    PIVOT_ASSIGN_OR_RETURN(const Comparison measured, MeasurePivot(input_.context, made, input_.measured,
                                                                   absl::StrCat("evaluate-", stage.name), hooks_));
    const PairedDifference difference = DifferenceOf(best_.window_kl, measured.window_kl);
    const bool is_better = difference.is_certain_fall();
    record["kl_before"] = best_.model.kl_mean.value_or(0);
    record["kl_after"] = measured.model.kl_mean.value_or(0);
    record["difference"] = difference.mean;
    record["is_published"] = is_better;
    if (input_.measured.size() > 1) record["half_width"] = difference.half_width;
    if (made.reload_kl.has_value()) record["reload_kl"] = *made.reload_kl;
    if (is_better) record["pivot"] = number;
    records_.push_back(std::move(record));
    if (!is_better) {
      Warn(stage, difference);
      return RemoveAll(input_.context.staging_folder + "/" + made.directory);
    }
    PIVOT_RETURN_IF_ERROR(publish_({.number = number, .made = &made, .comparison = &measured}));
    newest_ = number;
    best_ = measured;
    shard_folder_ = folder;
    identity_["from"] = stage.name;
    return absl::OkStatus();
  }

  void Warn(const Stage& stage, const PairedDifference& difference) const {
    if (!hooks_.warning) return;
    hooks_.warning("PIVOT_KEPT",
                   absl::StrFormat("%s refinement changed KL by %+.5f (95 %% interval ± %.5f): pivot %d is kept",
                                   stage.name, difference.mean, difference.half_width, newest_));
  }

  const RefinementInput& input_;
  const JobHooks& hooks_;
  json& records_;
  const std::function<absl::Status(const RefinedPivot&)>& publish_;
  std::string shard_folder_;  // of the newest pivot
  Comparison best_;           // of the newest pivot
  json identity_;
  RefineText text_;
  int newest_ = 0;
};

}  // namespace

absl::Status RunRefinement(const RefinementInput& input, const JobHooks& hooks, json& records,
                           const std::function<absl::Status(const RefinedPivot&)>& publish) {
  const PivotContext& context = input.context;
  const RefineWork work =
      RefineWorkOf(context.source->config(), *context.spec, context.spec->refine, input.device->kind());
  if (!input.asked_for && input.device->kind() == DeviceKind::kCuda && work.bytes > input.device->memory_bytes) {
    if (hooks.warning)
      hooks.warning("NOT_REFINED", absl::StrCat("refinement needs ", work.bytes, " bytes of the GPU, which has ",
                                                input.device->memory_bytes));
    return absl::OkStatus();
  }
  return Refinement(input, hooks, records, publish).Run();
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "engine/pivot_maker.h"

#include <chrono>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

#include "engine/checkpoint/block_shard.h"
#include "engine/checkpoint/staged_folder.h"
#include "engine/convert/convert.h"
#include "engine/format/output_format.h"
#include "engine/loadable.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;

absl::Status ConvertPacked(const PivotContext& context, const std::string& packed_folder, CodeLayout layout,
                           const std::string& output, const JobHooks& hooks) {
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder packed, OpenCheckpoint(packed_folder));
  PIVOT_ASSIGN_OR_RETURN(const Conversion conversion, PlanConversion(packed, layout, /*shard_bytes=*/0));
  return ConvertFolder(packed, conversion, FolderOf(output, layout, context.spec->layouts()),
                       {.is_cancelled = hooks.is_cancelled});
}

/// Every layout of the folder, the shards being those of one of them.
absl::Status Assemble(const PivotContext& context, const std::string& shard_folder, const std::string& output,
                      const JobHooks& hooks) {
  const ModelFolder& source = context.source->folder().model;
  const std::vector<CodeLayout> layouts = context.spec->layouts();
  PIVOT_RETURN_IF_ERROR(WriteShard(shard_folder, context.shards->back(), {}, source).status());
  PIVOT_RETURN_IF_ERROR(RemoveAll(output));
  const bool keeps_packed = absl::c_linear_search(layouts, CodeLayout::kPackQuantized);
  const std::string packed = keeps_packed ? FolderOf(output, CodeLayout::kPackQuantized, layouts) : output + ".packed";
  PIVOT_ASSIGN_OR_RETURN(const auto texts, ConfigurationTexts(source, *context.schemes, CodeLayout::kPackQuantized));
  PIVOT_RETURN_IF_ERROR(AssembleFolder(packed, shard_folder, *context.shards, source, texts));
  for (const CodeLayout layout : layouts) {
    if (layout != CodeLayout::kPackQuantized)
      PIVOT_RETURN_IF_ERROR(ConvertPacked(context, packed, layout, output, hooks));
  }
  return keeps_packed ? absl::OkStatus() : RemoveAll(packed);
}

}  // namespace

absl::StatusOr<MadePivot> MakePivot(const PivotContext& context, int number, const std::string& shard_folder,
                                    const MemoryTrace& trace, const JobHooks& hooks) {
  MadePivot made{.directory = absl::StrCat("pivot-", number)};
  const std::string output = context.staging_folder + "/" + made.directory;
  PIVOT_RETURN_IF_ERROR(Assemble(context, shard_folder, output, hooks));
  const ModelFolder& source = context.source->folder().model;
  PIVOT_RETURN_IF_ERROR(WriteTexts(output, {{"pivot/plan.json", PlanFileJson(*context.plan, source, *context.spec)}}));
  for (const CodeLayout layout : context.spec->layouts()) {
    PIVOT_ASSIGN_OR_RETURN(CheckpointFolder reloaded,
                           OpenCheckpoint(FolderOf(output, layout, context.spec->layouts())));
    PIVOT_RETURN_IF_ERROR(CheckLoadable(reloaded, hooks));
    if (layout == context.spec->layout) made.folder = std::make_unique<CheckpointFolder>(std::move(reloaded));
  }
  // Rounded models have run nowhere yet: of them the weights alone were compared, shard by shard.
  if (!trace.tokens.defined()) return made;
  const WeightReader reader(*made.folder, context.source->dtype(), context.source->device());
  PIVOT_ASSIGN_OR_RETURN(made.reload_kl,
                         CompareWithReloaded(trace, *context.source, reader, {.is_cancelled = hooks.is_cancelled}));
  return made;
}

absl::StatusOr<Comparison> MeasurePivot(const PivotContext& context, const MadePivot& pivot,
                                        const std::vector<at::Tensor>& windows, const std::string& stage,
                                        const JobHooks& hooks) {
  const auto start = Clock::now();
  const WeightReader reader(*pivot.folder, context.source->dtype(), context.source->device());
  const int total = static_cast<int>(context.source->config().num_blocks) + 1;
  if (hooks.stage_started) hooks.stage_started(stage, total);
  const EvaluationHooks evaluation{.is_cancelled = hooks.is_cancelled, .progress = [&](int done, int of) {
                                     if (!hooks.progress) return;
                                     const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
                                     hooks.progress({.stage = stage,
                                                     .done = done,
                                                     .total = of,
                                                     .elapsed_seconds = elapsed,
                                                     .remaining_seconds = elapsed / done * (of - done)});
                                   }};
  return MeasureQuality(windows, reader, context.source, evaluation);
}

}  // namespace pivot

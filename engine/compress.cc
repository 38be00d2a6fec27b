// SPDX-License-Identifier: Apache-2.0
#include "engine/compress.h"

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

#include "engine/calibration/calibration_set.h"
#include "engine/checkpoint/block_shard.h"
#include "engine/checkpoint/journal.h"
#include "engine/checkpoint/staged_folder.h"
#include "engine/convert/convert.h"
#include "engine/evaluate/quality.h"
#include "engine/evaluate/reload_check.h"
#include "engine/format/output_format.h"
#include "engine/job_plan.h"
#include "engine/loadable.h"
#include "engine/model/folder_tokenizer.h"
#include "engine/model/found_model.h"
#include "engine/page/report_page.h"
#include "engine/plan/plan.h"
#include "engine/plan/planned_schemes.h"
#include "engine/quantize/layerwise.h"
#include "engine/quantize/warm_up.h"
#include "engine/report.h"
#include "engine/work_identity.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr char kPivotDirectory[] = "pivot-0";
constexpr int64_t kEvaluationWindow = 2048;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class Pipeline {
 public:
  Pipeline(const CompressJob& job, const ComputeDevice& device, const JobHooks& hooks)
      : job_(job),
        device_(device),
        hooks_(hooks),
        shard_folder_(job.staging_folder + "/shards"),
        pivot_folder_(job.staging_folder + "/" + kPivotDirectory) {}

  absl::Status Run() {
    std::future<void> warm = WarmUp(device_);
    PIVOT_RETURN_IF_ERROR(InspectAndPlan());
    PIVOT_RETURN_IF_ERROR(ReadTexts());
    if (warm.valid()) warm.get();
    if (spec_.measures_plan()) PIVOT_RETURN_IF_ERROR(MeasureAndPlan());
    if (spec_.plan.measure_only) return PublishPlan();
    PIVOT_RETURN_IF_ERROR(QuantizeLayers());
    PIVOT_RETURN_IF_ERROR(Assemble());
    PIVOT_RETURN_IF_ERROR(Evaluate());
    return Publish();
  }

 private:
  const ModelFolder& source() const { return source_->model; }
  const ModelSchemes& schemes() const { return *schemes_; }

  absl::Status InspectAndPlan() {
    PIVOT_ASSIGN_OR_RETURN(const std::string path, SourcePath(job_.task));
    PIVOT_ASSIGN_OR_RETURN(CheckpointFolder folder, OpenOriginal(path));
    source_ = std::make_unique<CheckpointFolder>(std::move(folder));
    WarnOfQuantizedSource();
    PIVOT_ASSIGN_OR_RETURN(spec_, ResolveCompressSpec(job_.task, source(), device_.kind()));
    spec_.dtype = ResolveDtype(device_, spec_.dtype);
    if (source().config().found != nullptr && hooks_.warning)
      hooks_.warning("NOT_EVALUATED", DescribeFound(*source().config().found));
    PIVOT_RETURN_IF_ERROR(Adopt(PlannedSchemes(source(), spec_)));
    reader_ = std::make_unique<WeightReader>(*source_, ToScalarType(spec_.dtype), device_.device);
    return MakeFolders(shard_folder_);
  }

  absl::Status Adopt(absl::StatusOr<ModelSchemes> schemes) {
    PIVOT_ASSIGN_OR_RETURN(schemes_, std::move(schemes));
    PIVOT_ASSIGN_OR_RETURN(plan_, MakePlan(source(), spec_, *schemes_, device_.kind()));
    shards_ = OutputShards(source(), *schemes_);
    return absl::OkStatus();
  }

  /// A plan from measurements; those of an earlier attempt at the same work are used again.
  absl::Status MeasureAndPlan() {
    const TrialInput input{.source = reader_.get(),
                           .spec = &spec_,
                           .device = &device_,
                           .windows = calibration_.windows,
                           .folder = job_.staging_folder + "/trial"};
    PIVOT_ASSIGN_OR_RETURN(MeasuredPlan plan, MakeJobPlan(input, job_.staging_folder, Identity(), hooks_));
    report_.allocation = std::move(plan.report);
    return Adopt(std::move(plan.schemes));
  }

  void WarnOfQuantizedSource() const {
    if (!source_->quantization.has_value() || !hooks_.warning) return;
    hooks_.warning("SOURCE_IS_QUANTIZED",
                   absl::StrCat(source().path(), " is quantized itself; quality is compared to it, not its original"));
  }

  absl::Status ReadTexts() {
    if (!spec_.reads_text()) return absl::OkStatus();
    PIVOT_ASSIGN_OR_RETURN(const Tokenizer tokenizer, LoadTokenizer(source().path()));
    if (spec_.quantize.method == Method::kGptq) {
      PIVOT_ASSIGN_OR_RETURN(calibration_, ReadCalibrationSet(spec_.calibration, tokenizer, source()));
    }
    if (spec_.evaluation.skip) return absl::OkStatus();
    PIVOT_ASSIGN_OR_RETURN(
        evaluation_, ReadEvaluationText(spec_.evaluation.text_path, spec_.evaluation.text_key, tokenizer, source()));
    const int64_t length = std::min(kEvaluationWindow, source().config().max_positions);
    PIVOT_ASSIGN_OR_RETURN(evaluation_windows_,
                           ConsecutiveWindows(evaluation_.tokens, length, spec_.evaluation.max_tokens));
    return absl::OkStatus();
  }

  json Identity() const { return WorkIdentity(source(), spec_, calibration_.sha256, device_); }

  absl::Status QuantizeLayers() {
    const auto start = Clock::now();
    std::string refused;
    PIVOT_ASSIGN_OR_RETURN(Journal journal,
                           Journal::Open(job_.staging_folder + "/journal.jsonl", Identity(), &refused));
    if (!refused.empty() && hooks_.warning) {
      hooks_.warning("RESUME_REFUSED",
                     absl::StrCat("earlier work differs in ", refused, "; starting from the first block"));
    }
    const LayerwiseInput input{.source = reader_.get(),
                               .spec = &spec_,
                               .schemes = &*schemes_,
                               .shards = &shards_,
                               .shard_folder = shard_folder_,
                               .windows = calibration_.windows,
                               .placement = PlaceOn(device_, source().config(), spec_),
                               .journal = &journal};
    PIVOT_ASSIGN_OR_RETURN(LayerwiseResult result, RunLayerwise(input, hooks_));
    report_.blocks = std::move(result.blocks);
    if (result.state.defined())
      trace_ = {.tokens = calibration_.windows.narrow(0, 0, 1),
                .state = std::move(result.state),
                .narrows_head = schemes().NarrowsHead(source().config())};
    const CompressWork work = WorkOf(source().config(), spec_, 0);
    FinishStage("layerwise", SecondsSince(start), work.forward + work.statistics + work.solve);
    return absl::OkStatus();
  }

  /// Puts the folder together in the form in which shards are written, and makes every other format of it that is
  /// asked for.
  absl::Status Assemble() {
    const auto start = Clock::now();
    const std::vector<CodeLayout> layouts = spec_.layouts();
    PIVOT_RETURN_IF_ERROR(WriteShard(shard_folder_, shards_.back(), {}, source()).status());
    PIVOT_RETURN_IF_ERROR(RemoveAll(pivot_folder_));
    const bool keeps_packed = absl::c_linear_search(layouts, CodeLayout::kPackQuantized);
    const std::string packed =
        keeps_packed ? FolderOf(pivot_folder_, CodeLayout::kPackQuantized, layouts) : pivot_folder_ + ".packed";
    PIVOT_ASSIGN_OR_RETURN(const auto texts, ConfigurationTexts(source(), schemes(), CodeLayout::kPackQuantized));
    PIVOT_RETURN_IF_ERROR(AssembleFolder(packed, shard_folder_, shards_, source(), texts));
    for (const CodeLayout layout : layouts) {
      if (layout != CodeLayout::kPackQuantized) PIVOT_RETURN_IF_ERROR(ConvertPacked(packed, layout));
    }
    if (!keeps_packed) PIVOT_RETURN_IF_ERROR(RemoveAll(packed));
    PIVOT_RETURN_IF_ERROR(WriteTexts(pivot_folder_, {{"pivot/plan.json", PlanFileJson(plan_, source(), spec_)}}));
    for (const CodeLayout layout : layouts) {
      PIVOT_ASSIGN_OR_RETURN(CheckpointFolder reloaded, OpenCheckpoint(FolderOf(pivot_folder_, layout, layouts)));
      PIVOT_RETURN_IF_ERROR(CheckLoadable(reloaded, hooks_));
      if (layout == spec_.layout) pivot_ = std::make_unique<CheckpointFolder>(std::move(reloaded));
    }
    PIVOT_RETURN_IF_ERROR(CompareWithMemory());
    FinishStage("assemble", SecondsSince(start), 0);
    return absl::OkStatus();
  }

  /// Rounded models have run nowhere yet: of them the weights alone were compared, shard by shard.
  absl::Status CompareWithMemory() {
    if (!trace_.tokens.defined()) return absl::OkStatus();
    const WeightReader reloaded(*pivot_, ToScalarType(spec_.dtype), device_.device);
    PIVOT_ASSIGN_OR_RETURN(report_.reload_kl,
                           CompareWithReloaded(trace_, *reader_, reloaded, {.is_cancelled = hooks_.is_cancelled}));
    trace_ = {};
    return absl::OkStatus();
  }

  absl::Status ConvertPacked(const std::string& packed_folder, CodeLayout layout) {
    PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder packed, OpenCheckpoint(packed_folder));
    PIVOT_ASSIGN_OR_RETURN(const Conversion conversion, PlanConversion(packed, layout, /*shard_bytes=*/0));
    return ConvertFolder(packed, conversion, FolderOf(pivot_folder_, layout, spec_.layouts()),
                         {.is_cancelled = hooks_.is_cancelled});
  }

  /// Original and pivot, both read from their folders; of several folders with the same weights the first.
  absl::Status Evaluate() {
    if (spec_.evaluation.skip) return absl::OkStatus();
    const auto start = Clock::now();
    const WeightReader pivot_reader(*pivot_, ToScalarType(spec_.dtype), device_.device);
    const int total = static_cast<int>(source().config().num_blocks) + 1;
    if (hooks_.stage_started) hooks_.stage_started("evaluate", total);
    const EvaluationHooks hooks{.is_cancelled = hooks_.is_cancelled, .progress = [&](int done, int of) {
                                  const double elapsed = SecondsSince(start);
                                  if (!hooks_.progress) return;
                                  hooks_.progress({.stage = "evaluate",
                                                   .done = done,
                                                   .total = of,
                                                   .elapsed_seconds = elapsed,
                                                   .remaining_seconds = elapsed / done * (of - done)});
                                }};
    PIVOT_ASSIGN_OR_RETURN(comparison_, MeasureQuality(evaluation_windows_, pivot_reader, reader_.get(), hooks));
    FinishStage("evaluate", SecondsSince(start),
                WorkOf(source().config(), spec_, comparison_->model.tokens).evaluation);
    if (hooks_.quality_measured) {
      hooks_.quality_measured("original", *comparison_->reference);
      hooks_.quality_measured("pivot 0", comparison_->model);
    }
    return absl::OkStatus();
  }

  /// A folder with nothing but pivot/.
  absl::Status PublishPlan() {
    PIVOT_RETURN_IF_ERROR(RemoveAll(pivot_folder_));
    PIVOT_RETURN_IF_ERROR(MakeFolders(pivot_folder_ + "/pivot"));
    PIVOT_RETURN_IF_ERROR(WriteTexts(pivot_folder_, {{"pivot/plan.json", PlanFileJson(plan_, source(), spec_)}}));
    return Publish();
  }

  absl::Status Publish() {
    StagedPivot staged{.number = 0,
                       .directory = kPivotDirectory,
                       .bits_per_weight = plan_.bits_per_weight,
                       .model_bits_per_weight = plan_.model_bits_per_weight,
                       .seconds = SecondsSince(start_),
                       .source_name = source().name(),
                       .source_digest = SourceDigest(source())};
    if (comparison_.has_value()) staged.quality = QualityToJson(comparison_->model);
    PIVOT_RETURN_IF_ERROR(WriteReport(MakeReport(staged)));
    PIVOT_RETURN_IF_ERROR(WriteFileList(pivot_folder_));
    return hooks_.publish ? hooks_.publish(staged) : absl::OkStatus();
  }

  absl::Status WriteReport(const std::string& report) const {
    PIVOT_RETURN_IF_ERROR(WriteFileDurably(pivot_folder_ + "/pivot/report.json", report));
    const std::string page = ReportPage(json::parse(report), json::parse(PlanFileJson(plan_, source(), spec_)));
    return WriteFileDurably(pivot_folder_ + "/pivot/report.html", page);
  }

  std::string MakeReport(const StagedPivot& staged) {
    report_.job = job_.job_name;
    report_.device = device_;
    report_.memory = MeasureMemory(device_);
    report_.calibration = calibration_;
    report_.evaluation = evaluation_;
    report_.comparison = comparison_;
    report_.seconds = staged.seconds;
    return ReportJson(report_, plan_, source(), spec_);
  }

  void FinishStage(const std::string& name, double seconds, double flops) {
    report_.stages.push_back({.name = name, .seconds = seconds, .flops = flops});
    if (hooks_.stage_done) hooks_.stage_done(name, seconds, flops);
  }

  const CompressJob& job_;
  const ComputeDevice& device_;
  const JobHooks& hooks_;
  std::string shard_folder_;
  std::string pivot_folder_;
  Clock::time_point start_ = Clock::now();
  std::unique_ptr<CheckpointFolder> source_;
  std::unique_ptr<WeightReader> reader_;
  CompressSpec spec_;
  std::optional<ModelSchemes> schemes_;
  Plan plan_;
  std::vector<OutputShard> shards_;
  CalibrationSet calibration_;
  TokenizedText evaluation_;
  std::vector<at::Tensor> evaluation_windows_;
  std::unique_ptr<CheckpointFolder> pivot_;
  std::optional<Comparison> comparison_;
  MemoryTrace trace_;
  Report report_;
};

}  // namespace

absl::Status Compress(const CompressJob& job, const ComputeDevice& device, const JobHooks& hooks) {
  return Pipeline(job, device, hooks).Run();
}

}  // namespace pivot

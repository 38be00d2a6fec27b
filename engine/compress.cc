// SPDX-License-Identifier: Apache-2.0
#include "engine/compress.h"

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "engine/calibration/calibration_set.h"
#include "engine/checkpoint/journal.h"
#include "engine/checkpoint/staged_folder.h"
#include "engine/job_plan.h"
#include "engine/model/folder_tokenizer.h"
#include "engine/model/found_model.h"
#include "engine/page/report_page.h"
#include "engine/pivot_maker.h"
#include "engine/plan/plan.h"
#include "engine/plan/planned_schemes.h"
#include "engine/quantize/layerwise.h"
#include "engine/quantize/warm_up.h"
#include "engine/refine_stages.h"
#include "engine/report.h"
#include "engine/work_identity.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

constexpr int64_t kEvaluationWindow = 2048;
constexpr int64_t kJudgingTokens = 32768;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class Pipeline {
 public:
  Pipeline(const CompressJob& job, const ComputeDevice& device, const JobHooks& hooks)
      : job_(job), device_(device), hooks_(hooks), shard_folder_(job.staging_folder + "/shards") {}

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
    PIVOT_RETURN_IF_ERROR(Publish(0, first_.directory));
    return Refine();
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
    requested_stages_ = spec_.refine.stages;
    if (source().config().found != nullptr && hooks_.warning)
      hooks_.warning("NOT_EVALUATED", DescribeFound(*source().config().found));
    PIVOT_RETURN_IF_ERROR(Adopt(PlannedSchemes(source(), spec_)));
    reader_ = std::make_unique<WeightReader>(*source_, ToScalarType(spec_.dtype), device_.device);
    return MakeFolders(shard_folder_);
  }

  absl::Status Adopt(absl::StatusOr<ModelSchemes> schemes) {
    PIVOT_ASSIGN_OR_RETURN(schemes_, std::move(schemes));
    spec_.refine.stages = requested_stages_;
    PIVOT_ASSIGN_OR_RETURN(plan_, MakePlan(source(), spec_, *schemes_, device_.kind()));
    spec_.refine = plan_.refine;
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

  PivotContext Context() const {
    return {.source = reader_.get(),
            .spec = &spec_,
            .schemes = &*schemes_,
            .plan = &plan_,
            .shards = &shards_,
            .staging_folder = job_.staging_folder};
  }

  absl::Status Assemble() {
    const auto start = Clock::now();
    PIVOT_ASSIGN_OR_RETURN(first_, MakePivot(Context(), 0, shard_folder_, trace_, hooks_));
    trace_ = {};
    report_.reload_kl = first_.reload_kl;
    FinishStage("assemble", SecondsSince(start), 0);
    return absl::OkStatus();
  }

  /// Original and pivot, both read from their folders; of several folders with the same weights the first.
  absl::Status Evaluate() {
    report_.pivots.push_back({.stage = "layerwise", .seconds = SecondsSince(start_)});
    if (spec_.evaluation.skip) return absl::OkStatus();
    const auto start = Clock::now();
    PIVOT_ASSIGN_OR_RETURN(Comparison comparison,
                           MeasurePivot(Context(), first_, evaluation_windows_, "evaluate", hooks_));
    FinishStage("evaluate", SecondsSince(start), WorkOf(source().config(), spec_, comparison.model.tokens).evaluation);
    if (hooks_.quality_measured) hooks_.quality_measured("original", *comparison.reference);
    TakeQuality(comparison);
    return absl::OkStatus();
  }

  /// Of the newest pivot.
  void TakeQuality(const Comparison& comparison) {
    report_.pivots.back().comparison = comparison;
    if (hooks_.quality_measured)
      hooks_.quality_measured(absl::StrCat("pivot ", report_.pivots.size() - 1), comparison.model);
  }

  /// Windows that tell whether a later pivot is better: those of the evaluation, or of the built-in text where nothing
  /// else is to be measured.
  absl::StatusOr<std::vector<at::Tensor>> JudgingWindows() const {
    if (!spec_.evaluation.skip) return evaluation_windows_;
    PIVOT_ASSIGN_OR_RETURN(const Tokenizer tokenizer, LoadTokenizer(source().path()));
    PIVOT_ASSIGN_OR_RETURN(const TokenizedText text, ReadEvaluationText("", "", tokenizer, source()));
    return ConsecutiveWindows(text.tokens, std::min(kEvaluationWindow, source().config().max_positions),
                              kJudgingTokens);
  }

  absl::Status Refine() {
    if (plan_.refine.num_stages() == 0) return absl::OkStatus();
    RefinementInput input{.context = Context(),
                          .device = &device_,
                          .asked_for = requested_stages_ != RefineStages::kAutomatic,
                          .shard_folder = shard_folder_,
                          .windows = calibration_.windows,
                          .identity = Identity()};
    PIVOT_ASSIGN_OR_RETURN(input.first_tokens, TokensBeforeText(source().path()));
    PIVOT_ASSIGN_OR_RETURN(input.measured, JudgingWindows());
    if (report_.pivots.back().comparison.has_value()) {
      input.first = *report_.pivots.back().comparison;
    } else {
      PIVOT_ASSIGN_OR_RETURN(input.first, MeasurePivot(Context(), first_, input.measured, "evaluate", hooks_));
    }
    report_.refinement = json::array();
    return RunRefinement(input, hooks_, report_.refinement, [this](const RefinedPivot& refined) {
      report_.pivots.push_back(
          {.stage = report_.refinement.back()["stage"].get<std::string>(), .seconds = SecondsSince(start_)});
      if (!spec_.evaluation.skip) TakeQuality(*refined.comparison);
      return Publish(refined.number, refined.made->directory);
    });
  }

  /// A folder with nothing but pivot/.
  absl::Status PublishPlan() {
    const std::string folder = job_.staging_folder + "/pivot-0";
    PIVOT_RETURN_IF_ERROR(RemoveAll(folder));
    PIVOT_RETURN_IF_ERROR(MakeFolders(folder + "/pivot"));
    PIVOT_RETURN_IF_ERROR(WriteTexts(folder, {{"pivot/plan.json", PlanFileJson(plan_, source(), spec_)}}));
    report_.pivots.push_back({.stage = "measure", .seconds = SecondsSince(start_)});
    return Publish(0, "pivot-0");
  }

  absl::Status Publish(int number, const std::string& directory) {
    const std::string folder = job_.staging_folder + "/" + directory;
    StagedPivot staged{.number = number,
                       .directory = directory,
                       .bits_per_weight = plan_.bits_per_weight,
                       .model_bits_per_weight = plan_.model_bits_per_weight,
                       .seconds = SecondsSince(start_),
                       .source_name = source().name(),
                       .source_digest = SourceDigest(source())};
    if (!report_.pivots.empty() && report_.pivots.back().comparison.has_value())
      staged.quality = QualityToJson(report_.pivots.back().comparison->model);
    PIVOT_RETURN_IF_ERROR(WriteReport(folder, MakeReport(staged)));
    PIVOT_RETURN_IF_ERROR(WriteFileList(folder));
    return hooks_.publish ? hooks_.publish(staged) : absl::OkStatus();
  }

  absl::Status WriteReport(const std::string& folder, const std::string& report) const {
    PIVOT_RETURN_IF_ERROR(WriteFileDurably(folder + "/pivot/report.json", report));
    const std::string page = ReportPage(json::parse(report), json::parse(PlanFileJson(plan_, source(), spec_)));
    return WriteFileDurably(folder + "/pivot/report.html", page);
  }

  std::string MakeReport(const StagedPivot& staged) {
    report_.job = job_.job_name;
    report_.device = device_;
    report_.memory = MeasureMemory(device_);
    report_.calibration = calibration_;
    report_.evaluation = evaluation_;
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
  RefineStages requested_stages_ = RefineStages::kNone;
  MadePivot first_;
  MemoryTrace trace_;
  Report report_;
};

}  // namespace

absl::Status Compress(const CompressJob& job, const ComputeDevice& device, const JobHooks& hooks) {
  return Pipeline(job, device, hooks).Run();
}

}  // namespace pivot

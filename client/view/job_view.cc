// SPDX-License-Identifier: Apache-2.0
#include "client/view/job_view.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pivot::client {
namespace {

/// What an earlier attempt had reached is done again, or taken over and reported again.
void StartOver(JobView* view) {
  for (StageView& stage : view->stages) stage = StageView{.name = stage.name};
  view->resumed_blocks = 0;
}

void ApplyAttempt(const v1::JobEvent& event, JobView* view) {
  const v1::AttemptStarted& started = event.attempt_started();
  view->attempt = event.attempt();
  view->device = started.device();
  if (!started.device_name().empty()) absl::StrAppend(&view->device, " (", started.device_name(), ")");
  if (started.threads() > 0) absl::StrAppend(&view->device, ", ", started.threads(), " threads");
  StartOver(view);
}

void ApplyBlock(const v1::BlockDone& block, JobView* view) {
  StageView& stage = StageOf(block.stage(), view);
  stage.phase = StagePhase::kRunning;
  stage.done = block.block() + 1;
  stage.total = block.total();
  stage.relative_error = block.relative_error();
  if (block.resumed()) ++view->resumed_blocks;
}

void ApplyProgress(const v1::Progress& progress, JobView* view) {
  view->host_bytes = progress.host_bytes();
  view->gpu_bytes = progress.gpu_bytes();
  if (progress.stage().empty()) return;
  StageView& stage = StageOf(progress.stage(), view);
  if (stage.phase == StagePhase::kDone) return;  // it may overtake the stage's end
  stage.phase = StagePhase::kRunning;
  stage.done = std::max<int64_t>(stage.done, progress.done());
  if (progress.total() > 0) stage.total = progress.total();
  stage.detail = progress.detail();
  stage.elapsed_seconds = progress.elapsed_seconds();
  stage.remaining_seconds = progress.remaining_seconds();
}

void ApplyStageDone(const v1::StageDone& done, JobView* view) {
  StageView& stage = StageOf(done.stage(), view);
  stage.phase = StagePhase::kDone;
  stage.done = stage.total;
  stage.detail.clear();
  stage.elapsed_seconds = done.seconds();
  stage.remaining_seconds = 0;
}

void ApplySnapshot(const v1::Job& job, JobView* view) {
  view->state = job.state();
  view->state_reason = job.state_reason();
  if (job.has_progress()) ApplyProgress(job.progress(), view);
}

}  // namespace

JobView ViewOf(const v1::Job& job) {
  JobView view{.job = job.name(), .state = job.state(), .state_reason = job.state_reason()};
  for (const v1::StagePlan& stage : job.plan().stages()) StageOf(stage.name(), &view);
  return view;
}

void Apply(const v1::JobEvent& event, JobView* view) {
  if (view->job.empty()) view->job = event.job();
  switch (event.event_case()) {
    case v1::JobEvent::kStateChanged:
      view->state = event.state_changed().to();
      view->state_reason = event.state_changed().reason();
      break;
    case v1::JobEvent::kAttemptStarted:
      ApplyAttempt(event, view);
      break;
    case v1::JobEvent::kStageStarted: {
      StageView& stage = StageOf(event.stage_started().stage(), view);
      stage.phase = StagePhase::kRunning;
      stage.total = event.stage_started().total();
      break;
    }
    case v1::JobEvent::kBlockDone:
      ApplyBlock(event.block_done(), view);
      break;
    case v1::JobEvent::kStageDone:
      ApplyStageDone(event.stage_done(), view);
      break;
    case v1::JobEvent::kQualityMeasured: {
      const v1::QualityMeasured& measured = event.quality_measured();
      (measured.subject() == "original" ? view->original : view->compressed) = measured.quality();
      break;
    }
    case v1::JobEvent::kWarning:
      ++view->warnings;
      break;
    case v1::JobEvent::kProgress:
      ApplyProgress(event.progress(), view);
      break;
    case v1::JobEvent::kSnapshot:
      ApplySnapshot(event.snapshot(), view);
      break;
    default:  // nothing that a line shows
      break;
  }
}

StageView& StageOf(absl::string_view name, JobView* view) {
  const auto found = std::find_if(view->stages.begin(), view->stages.end(),
                                  [name](const StageView& stage) { return absl::string_view(stage.name) == name; });
  if (found != view->stages.end()) return *found;
  view->stages.push_back(StageView{.name = std::string(name)});
  return view->stages.back();
}

}  // namespace pivot::client

// SPDX-License-Identifier: Apache-2.0
#include "client/compression.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "client/backoff.h"
#include "client/exit_code.h"
#include "client/folder_lock.h"
#include "client/follow.h"
#include "client/jobs.h"
#include "client/published_files.h"
#include "client/pull.h"
#include "client/request_id.h"
#include "client/session.h"
#include "client/source_paths.h"
#include "client/view/job_view.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

/// Every failed try with one spec adds a job; nobody tries so often.
constexpr int kMaxChain = 1000;

/// Whether the job failed by what it read before anything was finished.
bool WasRefusedAtItsBeginning(const v1::Job& job, const JobView& view) {
  const bool failed_by_input =
      job.state() == v1::STATE_FAILED && job.attempts_size() > 0 && job.attempts().rbegin()->cause() == "INVALID_INPUT";
  return failed_by_input && view.resumed_blocks == 0 &&
         std::all_of(view.stages.begin(), view.stages.end(),
                     [](const StageView& stage) { return stage.phase != StagePhase::kDone && stage.done == 0; });
}

class Compression {
 public:
  Compression(const CompressionRequest& request, const Console& console, Reporter* reporter)
      : request_(request), console_(console), reporter_(reporter), work_folder_(WorkFolderOf(request.output)) {}

  absl::StatusOr<CompressionReport> Run() {
    std::error_code error;
    const bool had_work = std::filesystem::exists(work_folder_, error);
    keeps_work_ = had_work;
    PIVOT_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::Acquire(work_folder_));
    absl::StatusOr<CompressionReport> report = RunLocked();
    session_.reset();
    // A delivered checkpoint is all that there was to make, and only a compression leaves something to go on from.
    const bool is_over = report.ok() && (report->delivered.has_value() || !request_.spec.has_compress() ||
                                         (!had_work && WasRefusedAtItsBeginning(report->job, reporter_->view())));
    if (is_over || !keeps_work_) {
      PIVOT_RETURN_IF_ERROR(RemoveAll(work_folder_));
    } else if (report.ok()) {
      report->kept_folder = work_folder_;
    } else {
      reporter_->Note(
          absl::StrCat("the work so far is kept in ", work_folder_, ": the same command goes on from there"));
    }
    return report;
  }

 private:
  absl::StatusOr<CompressionReport> RunLocked() {
    PIVOT_RETURN_IF_ERROR(OpenSession());
    PIVOT_ASSIGN_OR_RETURN(const v1::Job created, FindOrCreateJob());
    keeps_work_ = keeps_work_ || session_->is_private();
    if (session_->is_private()) PIVOT_RETURN_IF_ERROR(CancelOthers(created.name()));
    reporter_->NoteDetail(absl::StrCat("job ", created.name(), " (", created.uid(), ")"));
    CompressionReport report;
    PIVOT_ASSIGN_OR_RETURN(report.job, Follow(created, OnStop::kCancelAndWait));
    const bool was_stopped = console_.interrupted.stop_requested();
    if (report.job.checkpoints_size() > 0) {
      // A stop that ended the job must not end the fetching of what the job left; a later one does.
      PIVOT_ASSIGN_OR_RETURN(report.delivered,
                             Deliver(report.job, was_stopped ? std::stop_token() : console_.interrupted));
    }
    report.outcome = was_stopped ? Interrupted() : JobOutcome(report.job);
    if (report.outcome.ok() && !report.delivered.has_value()) {
      return absl::InternalError(absl::StrCat(report.job.name(), " succeeded but published nothing"));
    }
    return report;
  }

  absl::Status OpenSession() {
    if (!request_.server.empty()) {
      PIVOT_ASSIGN_OR_RETURN(session_, Session::Remote(request_.server));
      return absl::OkStatus();
    }
    PIVOT_ASSIGN_OR_RETURN(session_, Session::Private({.data_folder = work_folder_,
                                                       .allow_paths = FoldersToRead(request_.spec),
                                                       .program = console_.program_folder + "/pivotd",
                                                       .stop = console_.interrupted}));
    return absl::OkStatus();
  }

  absl::StatusOr<v1::Job> Follow(const v1::Job& job, OnStop on_stop) {
    return FollowJob(job, session_.get(), reporter_, {.stop = console_.interrupted, .on_stop = on_stop});
  }

  /// The newest job of the chain that equal requests made, or a new one at its end. Each job of it but the last was
  /// cancelled or has failed, and left its finished blocks to the next, or was deleted.
  absl::StatusOr<v1::Job> FindOrCreateJob() {
    CreateOptions options{.request_id = RequestIdOf(request_.spec, ""), .limits = {.timeout = absl::Minutes(3)}};
    options.limits.stop = console_.interrupted;
    for (int i = 0; i < kMaxChain; ++i) {
      auto made = CreateJob(session_->connection(), request_.spec, options);
      if (ReasonOf(made.status()) == "JOB_DELETED") {
        options.request_id = RequestIdOf(request_.spec, options.request_id);
        continue;
      }
      PIVOT_ASSIGN_OR_RETURN(v1::Job job, std::move(made));
      if (job.state() == v1::STATE_CANCELLING) {
        PIVOT_ASSIGN_OR_RETURN(job, Follow(job, OnStop::kLeave));
      }
      if (job.state() == v1::STATE_SUSPENDED) {
        reporter_->Note(absl::StrCat(job.name(), " was suspended: it is resumed"));
        return ResumeJob(session_->connection(), job.name(), options.limits);
      }
      if (job.state() != v1::STATE_CANCELLED && job.state() != v1::STATE_FAILED) return job;
      reporter_->NoteDetail(absl::StrCat(job.name(), " was ", StateName(job.state()), ": going on from it"));
      options.request_id = RequestIdOf(request_.spec, job.uid());
      if (request_.spec.has_compress()) options.resume_from = job.name();
    }
    return absl::ResourceExhaustedError(absl::StrCat("this work was begun ", kMaxChain, " times without an end"));
  }

  /// What another command began for the same output would otherwise run first.
  absl::Status CancelOthers(const std::string& ours) {
    PIVOT_ASSIGN_OR_RETURN(const std::vector<v1::Job> jobs, ListJobs(session_->connection(), kDefaultProject));
    for (const v1::Job& job : jobs) {
      if (job.name() == ours || IsTerminal(job.state())) continue;
      PIVOT_RETURN_IF_ERROR(CancelJob(session_->connection(), job.name()).status());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<ManifestData> Deliver(const v1::Job& job, std::stop_token stop) {
    const v1::CheckpointRef& checkpoint = *job.checkpoints().rbegin();
    const std::string folder = absl::StrCat(work_folder_, "/pulled-", job.uid(), "-", checkpoint.number());
    keeps_work_ = true;
    PullOptions options;
    options.fetch.stop = std::move(stop);
    options.on_progress = [this](const PullProgress& progress) {
      reporter_->OnTransfer({.stage = "download",
                             .done_bytes = progress.done_bytes,
                             .total_bytes = progress.total_bytes,
                             .path = progress.path});
    };
    if (session_->is_private()) LinkPublishedFiles(work_folder_, checkpoint.manifest_sha256(), folder);
    PIVOT_ASSIGN_OR_RETURN(PullSummary summary,
                           PullCheckpoint(session_->connection(), checkpoint.name(), folder, options));
    MakeFilesWritable(folder);
    PIVOT_RETURN_IF_ERROR(PutIntoPlace(folder, request_.output, request_.existing));
    return std::move(summary.manifest);
  }

  const CompressionRequest& request_;
  const Console& console_;
  Reporter* reporter_;
  const std::string work_folder_;
  std::unique_ptr<Session> session_;
  bool keeps_work_ = false;
};

}  // namespace

absl::StatusOr<CompressionReport> RunCompression(const CompressionRequest& request, const Console& console,
                                                 Reporter* reporter) {
  return Compression(request, console, reporter).Run();
}

}  // namespace pivot::client

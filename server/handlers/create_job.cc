// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/files/crash_point.h"
#include "proto/files/sha256.h"
#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/handlers/check_spec.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"
#include "server/handlers/labels.h"
#include "server/names.h"
#include "server/scheduler/admission.h"

namespace pivot {
namespace {

/// Of all that makes two requests the same.
std::string ContentSha256Of(const v1::CreateJobRequest& request) {
  v1::CreateJobRequest content;
  content.set_parent(request.parent());
  content.set_job_id(request.job_id());
  *content.mutable_job()->mutable_spec() = request.job().spec();
  *content.mutable_job()->mutable_labels() = request.job().labels();
  content.set_resume_from(request.resume_from());
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    content.SerializeWithCachedSizes(&coded);
  }
  return Sha256Of(bytes);
}

absl::StatusOr<NewJob> ParseRequest(const v1::CreateJobRequest& request) {
  NewJob job{.id = request.job_id(), .spec = request.job().spec(), .request_id = request.request_id()};
  PIVOT_ASSIGN_OR_RETURN(job.project, ParseProjectName(request.parent(), "parent"));
  if (!job.id.empty() && !IsResourceId(job.id)) {
    return InvalidName(
        "job_id",
        "job_id must be 1 to 63 lower-case letters, digits and dashes, begin with a letter and not end with a dash");
  }
  if (!job.request_id.empty() && !IsUuid(job.request_id)) {
    return InvalidRequest("request_id", "request_id must be a UUID like 6f1c2a58-7d1e-4b0a-9b9e-2f6f6d0c3a11");
  }
  PIVOT_ASSIGN_OR_RETURN(job.labels, ReadLabels(request.job()));
  job.content_sha256 = ContentSha256Of(request);
  return job;
}

/// The staging folder of the job to resume.
absl::StatusOr<std::string> FindStaging(const NewJob& job, const std::string& resume_from, Store& store) {
  PIVOT_ASSIGN_OR_RETURN(const JobName name, ParseJobName(resume_from, "resume_from"));
  if (name.project != job.project) return InvalidName("resume_from", "resume_from must name a job of the same project");
  PIVOT_ASSIGN_OR_RETURN(const std::string uid, FindJobUid(store, resume_from, "resume_from"));
  PIVOT_ASSIGN_OR_RETURN(JobRecord record, store.ReadJob(uid, JobDetail::kShort));
  const v1::State state = record.job.state();
  if (state != v1::STATE_CANCELLED && state != v1::STATE_FAILED) {
    return IllegalState(
        absl::StrCat(resume_from, " is ", StateText(state), "; only a cancelled or failed job can be resumed"));
  }
  if (!record.job.spec().has_compress() || !job.spec.has_compress()) {
    return ResumeNotPossible("only a compress job leaves blocks behind, and only a compress job can take them over");
  }
  return std::move(record.staging_uid);
}

/// A server that cannot write its own records could not even say that a job has failed.
absl::Status CheckDisk(const std::optional<v1::Plan>& plan, const Backend& backend) {
  const int64_t free_bytes = backend.data->FreeBytes();
  if (plan.has_value() && plan->disk_bytes() > free_bytes) {
    return DiskFull(absl::StrCat("the job needs ", plan->disk_bytes(), " bytes on the server's disk and ", free_bytes,
                                 " are free; free some space, or start pivotd with --data on a larger disk"));
  }
  if (free_bytes >= backend.min_free_disk_bytes) return absl::OkStatus();
  return DiskFull(absl::StrCat("the server's disk has ", free_bytes, " bytes free and takes no jobs with less than ",
                               backend.min_free_disk_bytes,
                               "; free some space, or start pivotd with --data on a larger disk"));
}

v1::Job Draft(NewJob job) {
  v1::Job draft;
  draft.set_creator(job.creator);
  draft.set_priority(job.spec.priority() == 0 ? kDefaultPriority : job.spec.priority());
  draft.mutable_labels()->insert(job.labels.begin(), job.labels.end());
  if (job.spec.has_queue_timeout()) *draft.mutable_queue_timeout() = job.spec.queue_timeout();
  if (job.spec.has_ttl()) *draft.mutable_ttl() = job.spec.ttl();
  *draft.mutable_spec() = std::move(job.spec);
  if (job.plan.has_value()) *draft.mutable_plan() = *std::move(job.plan);
  return draft;
}

}  // namespace

absl::StatusOr<v1::Job> CreateJob(const v1::CreateJobRequest& request, const Access& access,
                                  const std::function<bool()>& is_cancelled, Backend& backend) {
  if (backend.draining) return Draining();
  PIVOT_ASSIGN_OR_RETURN(NewJob job, ParseRequest(request));
  job.max_queued = backend.queue_limits.total;
  job.max_queued_of_project = backend.queue_limits.of_project;
  job.creator = access.principal;
  if (!request.validate_only()) {
    // Before all checks: the answer to a repeated request must not depend on what has become of the source since.
    PIVOT_ASSIGN_OR_RETURN(const std::string uid, backend.store->FindRequest(job));
    PIVOT_CRASH_POINT("create.request_looked_up");
    if (!uid.empty()) return ViewJob(*backend.store, *backend.hub, uid);
  }
  PIVOT_RETURN_IF_ERROR(CheckSpec(job.spec, *backend.paths));
  PIVOT_RETURN_IF_ERROR(CheckDevice(job.spec.device(), backend.devices));
  if (!request.resume_from().empty()) {
    PIVOT_ASSIGN_OR_RETURN(job.staging_uid, FindStaging(job, request.resume_from(), *backend.store));
  }
  PIVOT_ASSIGN_OR_RETURN(job.plan, backend.probe->Examine(job.spec, backend.devices));
  PIVOT_CRASH_POINT("create.probed");
  if (request.validate_only()) return Draft(std::move(job));
  PIVOT_RETURN_IF_ERROR(CheckDisk(job.plan, backend));
  if (is_cancelled()) return absl::CancelledError("the call was cancelled");
  if (backend.draining) return Draining();
  PIVOT_ASSIGN_OR_RETURN(const std::string uid, backend.store->CreateJob(std::move(job)));
  PIVOT_CRASH_POINT("create.stored");
  return ViewJob(*backend.store, *backend.hub, uid);
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "client/jobs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "pivot/v1/capabilities.grpc.pb.h"
#include "pivot/v1/jobs.grpc.pb.h"

#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr size_t kPageSize = 200;
// Of one that others change at the same time.
constexpr int kMaxUpdates = 10;

v1::CreateJobRequest RequestOf(const v1::JobSpec& spec, const CreateOptions& options) {
  v1::CreateJobRequest request;
  request.set_parent(options.parent);
  *request.mutable_job()->mutable_spec() = spec;
  request.mutable_job()->mutable_labels()->insert(options.labels.begin(), options.labels.end());
  request.set_request_id(options.request_id);
  request.set_resume_from(options.resume_from);
  return request;
}

absl::StatusOr<v1::Job> SendCreate(const Connection& connection, const v1::CreateJobRequest& request,
                                   const CallLimits& limits) {
  v1::Job job;
  PIVOT_RETURN_IF_ERROR(MakeCall(connection, limits, [&](grpc::ClientContext* context) {
    return v1::Jobs::NewStub(connection.control)->CreateJob(context, request, &job);
  }));
  return job;
}

/// A call that names a job and gives the job as it is then.
template <typename Request>
absl::StatusOr<v1::Job> Steer(const Connection& connection, const std::string& name, const CallLimits& limits,
                              grpc::Status (v1::Jobs::Stub::*method)(grpc::ClientContext*, const Request&, v1::Job*)) {
  Request request;
  request.set_name(name);
  v1::Job job;
  PIVOT_RETURN_IF_ERROR(MakeCall(connection, limits, [&](grpc::ClientContext* context) {
    const auto stub = v1::Jobs::NewStub(connection.control);
    return (stub.get()->*method)(context, request, &job);
  }));
  return job;
}

/// All but the labels, which need a look at the job.
v1::UpdateJobRequest RequestOf(const std::string& name, const JobUpdate& update) {
  v1::UpdateJobRequest request;
  v1::Job& job = *request.mutable_job();
  job.set_name(name);
  if (update.priority.has_value()) {
    job.set_priority(*update.priority);
    request.mutable_update_mask()->add_paths("priority");
  }
  if (update.queue_timeout.has_value()) {
    if (*update.queue_timeout != absl::InfiniteDuration())
      *job.mutable_queue_timeout() = ToDuration(*update.queue_timeout);
    request.mutable_update_mask()->add_paths("queue_timeout");
  }
  if (update.ttl.has_value()) {
    if (*update.ttl != absl::InfiniteDuration()) *job.mutable_ttl() = ToDuration(*update.ttl);
    request.mutable_update_mask()->add_paths("ttl");
  }
  return request;
}

bool IsId(absl::string_view text) {
  const bool begins = !text.empty() && absl::ascii_islower(static_cast<unsigned char>(text.front()));
  return begins && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || c == '-';
         });
}

}  // namespace

absl::StatusOr<v1::Job> CreateJob(const Connection& connection, const v1::JobSpec& spec, const CreateOptions& options) {
  return SendCreate(connection, RequestOf(spec, options), options.limits);
}

absl::StatusOr<v1::Plan> PlanJob(const Connection& connection, const v1::JobSpec& spec, const CreateOptions& options) {
  v1::CreateJobRequest request = RequestOf(spec, options);
  request.set_validate_only(true);
  PIVOT_ASSIGN_OR_RETURN(v1::Job job, SendCreate(connection, request, options.limits));
  return std::move(*job.mutable_plan());
}

absl::StatusOr<v1::Job> GetJob(const Connection& connection, const std::string& name, const CallLimits& limits) {
  v1::GetJobRequest request;
  request.set_name(name);
  v1::Job job;
  PIVOT_RETURN_IF_ERROR(MakeCall(connection, limits, [&](grpc::ClientContext* context) {
    return v1::Jobs::NewStub(connection.control)->GetJob(context, request, &job);
  }));
  return job;
}

absl::StatusOr<std::vector<v1::Job>> ListJobs(const Connection& connection, const std::string& parent,
                                              const ListOptions& options) {
  std::vector<v1::Job> jobs;
  v1::ListJobsRequest request;
  request.set_parent(parent);
  request.set_filter(options.filter);
  request.set_order_by(options.order_by);
  v1::ListJobsResponse page;
  do {
    const size_t wanted = options.limit == 0 ? kPageSize : std::min(kPageSize, options.limit - jobs.size());
    request.set_page_size(static_cast<int32_t>(wanted));
    page.Clear();
    PIVOT_RETURN_IF_ERROR(MakeCall(connection, options.limits, [&](grpc::ClientContext* context) {
      return v1::Jobs::NewStub(connection.control)->ListJobs(context, request, &page);
    }));
    for (v1::Job& job : *page.mutable_jobs()) jobs.push_back(std::move(job));
    request.set_page_token(page.next_page_token());
  } while (!page.next_page_token().empty() && (options.limit == 0 || jobs.size() < options.limit));
  if (options.limit > 0 && jobs.size() > options.limit) jobs.resize(options.limit);
  return jobs;
}

absl::StatusOr<v1::Job> CancelJob(const Connection& connection, const std::string& name, const CallLimits& limits) {
  return Steer<v1::CancelJobRequest>(connection, name, limits, &v1::Jobs::Stub::CancelJob);
}

absl::StatusOr<v1::Job> SuspendJob(const Connection& connection, const std::string& name, const CallLimits& limits) {
  return Steer<v1::SuspendJobRequest>(connection, name, limits, &v1::Jobs::Stub::SuspendJob);
}

absl::StatusOr<v1::Job> ResumeJob(const Connection& connection, const std::string& name, const CallLimits& limits) {
  return Steer<v1::ResumeJobRequest>(connection, name, limits, &v1::Jobs::Stub::ResumeJob);
}

absl::StatusOr<v1::Job> RetryJob(const Connection& connection, const std::string& name, const CallLimits& limits) {
  return Steer<v1::RetryJobRequest>(connection, name, limits, &v1::Jobs::Stub::RetryJob);
}

absl::StatusOr<v1::Job> UpdateJob(const Connection& connection, const std::string& name, const JobUpdate& update,
                                  const CallLimits& limits) {
  for (int i = 1;; ++i) {
    v1::UpdateJobRequest request = RequestOf(name, update);
    if (update.changes_labels()) {
      PIVOT_ASSIGN_OR_RETURN(v1::Job before, GetJob(connection, name, limits));
      auto& labels = *request.mutable_job()->mutable_labels();
      labels.swap(*before.mutable_labels());
      for (const std::string& key : update.removed_labels) labels.erase(key);
      for (const auto& [key, value] : update.labels) labels[key] = value;
      request.mutable_job()->set_etag(before.etag());
      request.mutable_update_mask()->add_paths("labels");
    }
    v1::Job job;
    const absl::Status status = MakeCall(connection, limits, [&](grpc::ClientContext* context) {
      return v1::Jobs::NewStub(connection.control)->UpdateJob(context, request, &job);
    });
    if (status.ok()) return job;
    if (ReasonOf(status) != "ETAG_MISMATCH" || i == kMaxUpdates) return status;
  }
}

absl::Status DeleteJob(const Connection& connection, const std::string& name, const CallLimits& limits) {
  v1::DeleteJobRequest request;
  request.set_name(name);
  google::protobuf::Empty nothing;
  return MakeCall(connection, limits, [&](grpc::ClientContext* context) {
    return v1::Jobs::NewStub(connection.control)->DeleteJob(context, request, &nothing);
  });
}

absl::StatusOr<v1::ServerCapabilities> GetCapabilities(const Connection& connection, const CallLimits& limits) {
  v1::ServerCapabilities capabilities;
  PIVOT_RETURN_IF_ERROR(MakeCall(connection, limits, [&](grpc::ClientContext* context) {
    return v1::Capabilities::NewStub(connection.control)->GetCapabilities(context, {}, &capabilities);
  }));
  return capabilities;
}

google::protobuf::Duration ToDuration(absl::Duration time) {
  google::protobuf::Duration duration;
  duration.set_seconds(absl::ToInt64Seconds(time));
  duration.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time % absl::Seconds(1))));
  return duration;
}

bool IsTerminal(v1::State state) {
  return state == v1::STATE_SUCCEEDED || state == v1::STATE_FAILED || state == v1::STATE_CANCELLED;
}

std::string StateName(v1::State state) {
  const std::string name = v1::State_Name(state);
  if (name.empty()) return absl::StrCat("state ", static_cast<int>(state));  // of a newer server
  return absl::AsciiStrToLower(absl::StripPrefix(name, "STATE_"));
}

absl::StatusOr<std::string> JobName(absl::string_view text) {
  if (IsId(text)) return absl::StrCat(kDefaultProject, "/jobs/", text);
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  const bool is_full =
      parts.size() == 4 && parts[0] == "projects" && IsId(parts[1]) && parts[2] == "jobs" && IsId(parts[3]);
  if (is_full) return std::string(text);
  return WithReason(
      absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not a job's name: give its id as `pivot ls` ",
                                              "prints it, or projects/PROJECT/jobs/ID")),
      "USAGE", "job");
}

std::string ShortName(absl::string_view name) {
  const size_t slash = name.rfind('/');
  return std::string(slash == name.npos ? name : name.substr(slash + 1));
}

}  // namespace pivot::client

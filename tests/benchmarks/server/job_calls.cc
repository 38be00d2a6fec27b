// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/server/job_calls.h"

#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"

#include "server/convert.h"
#include "tests/benchmarks/server/bulk_jobs.h"

namespace pivot {
namespace {

constexpr auto kCallTimeout = std::chrono::seconds(60);
constexpr auto kPollInterval = std::chrono::milliseconds(20);
constexpr int kPolls = 1500;

absl::Status ToStatus(const grpc::Status& status) {
  return status.ok() ? absl::OkStatus()
                     : absl::InternalError(absl::StrCat(status.error_code(), ": ", status.error_message()));
}

}  // namespace

v1::CreateJobRequest JobRequest(const std::string& model, const std::string& job_id) {
  v1::CreateJobRequest request;
  request.set_parent(absl::StrCat("projects/", kLoadProject));
  request.set_job_id(job_id);
  v1::JobSpec& spec = *request.mutable_job()->mutable_spec();
  spec.set_device("cpu");
  spec.mutable_compress()->mutable_source()->set_path(model);
  return request;
}

absl::StatusOr<v1::Job> Create(v1::Jobs::Stub& stub, const v1::CreateJobRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  v1::Job job;
  const absl::Status status = ToStatus(stub.CreateJob(&context, request, &job));
  if (!status.ok()) return status;
  return job;
}

absl::Status AwaitState(v1::Jobs::Stub& stub, const std::string& name, v1::State state) {
  v1::GetJobRequest request;
  request.set_name(name);
  for (int i = 0; i < kPolls; ++i) {
    grpc::ClientContext context;
    v1::Job job;
    if (const absl::Status status = ToStatus(stub.GetJob(&context, request, &job)); !status.ok()) return status;
    if (job.state() == state) return absl::OkStatus();
    std::this_thread::sleep_for(kPollInterval);
  }
  return absl::DeadlineExceededError(absl::StrCat(name, " does not become ", StateText(state)));
}

absl::Status Suspend(v1::Jobs::Stub& stub, const std::string& name) {
  grpc::ClientContext context;
  v1::SuspendJobRequest request;
  request.set_name(name);
  v1::Job job;
  return ToStatus(stub.SuspendJob(&context, request, &job));
}

absl::Status Resume(v1::Jobs::Stub& stub, const std::string& name) {
  grpc::ClientContext context;
  v1::ResumeJobRequest request;
  request.set_name(name);
  v1::Job job;
  return ToStatus(stub.ResumeJob(&context, request, &job));
}

}  // namespace pivot

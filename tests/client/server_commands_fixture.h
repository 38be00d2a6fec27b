// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_CLIENT_SERVER_COMMANDS_FIXTURE_H_
#define PIVOT_TESTS_CLIENT_SERVER_COMMANDS_FIXTURE_H_

// For the commands that speak to a server: one whose answers are written here.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/client/cli_fixture.h"
#include "tests/client/fake_checkpoint.h"

namespace pivot::client {

using ::testing::Not;

constexpr char kFirstJob[] = "projects/default/jobs/job-1";

/// A server that knows jobs by their request ids, and lets each run in the moment it is watched.
class ServerCommandsTest : public CliTest {
 protected:
  ServerCommandsTest() {
    checkpoint_.files = {{"config.json", "{}"}, {"model-00001.safetensors", SomeBytes(2500, 1)}};
    FakeMethods methods;
    checkpoint_.Serve(&methods);
    methods.create_job = [this](const v1::CreateJobRequest& request, v1::Job* job) { return Create(request, job); };
    methods.get_job = [this](const v1::GetJobRequest& request, v1::Job* job) { return Find(request.name(), job); };
    methods.cancel_job = [this](const v1::CancelJobRequest& request, v1::Job* job) {
      const std::lock_guard lock(mutex_);
      cancelled_.push_back(request.name());
      *job = jobs_[request.name()];
      job->set_state(v1::STATE_CANCELLING);
      return grpc::Status::OK;
    };
    methods.suspend_job = MoveTo<v1::SuspendJobRequest>(v1::STATE_SUSPENDING);
    methods.resume_job = MoveTo<v1::ResumeJobRequest>(v1::STATE_QUEUED);
    methods.retry_job = MoveTo<v1::RetryJobRequest>(v1::STATE_QUEUED);
    methods.update_job = [this](const v1::UpdateJobRequest& request, v1::Job* job) { return on_update_(request, job); };
    methods.delete_job = [this](const v1::DeleteJobRequest& request, google::protobuf::Empty*) {
      return Find(request.name(), std::make_unique<v1::Job>().get());
    };
    methods.list_jobs = [this](const v1::ListJobsRequest& request, v1::ListJobsResponse* page) {
      const std::lock_guard lock(mutex_);
      listings_.push_back(request);
      for (const auto& [name, job] : jobs_) *page->add_jobs() = job;
      return grpc::Status::OK;
    };
    methods.watch_job = [this](const v1::WatchJobRequest& request, const auto& send) { return Watch(request, send); };
    methods.get_capabilities = DescribeServer;
    service_ = std::make_unique<FakeService>(std::move(methods));
  }

  std::vector<std::string> Arguments(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--server", service_->address()});
    return arguments;
  }
  ExitCode RunThere(const std::vector<std::string>& arguments) { return Run(Arguments(arguments)); }
  ExitCode Compress() { return RunThere({"compress", model_, "-o", output_}); }

  grpc::Status Create(const v1::CreateJobRequest& request, v1::Job* job) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    if (!deleted_request_.empty() && request.request_id() == deleted_request_) {
      return StatusWithReason(grpc::StatusCode::FAILED_PRECONDITION, "JOB_DELETED");
    }
    std::string& name = names_by_request_[request.request_id()];
    if (name.empty()) {
      name = "projects/default/jobs/job-" + std::to_string(names_by_request_.size());
      v1::Job& created = jobs_[name] = request.job();
      created.set_name(name);
      created.set_uid("uid-" + std::to_string(names_by_request_.size()));
      created.set_state(v1::STATE_QUEUED);
      created.mutable_plan()->set_source_bytes(10'000);
    }
    *job = jobs_[name];
    return grpc::Status::OK;
  }

  grpc::Status Find(const std::string& name, v1::Job* job) {
    const std::lock_guard lock(mutex_);
    if (!jobs_.contains(name)) return {grpc::StatusCode::NOT_FOUND, "there is no job " + name};
    *job = jobs_[name];
    return grpc::Status::OK;
  }

  template <typename Request>
  Answer<Request, v1::Job> MoveTo(v1::State state) {
    return [this, state](const Request& request, v1::Job* job) {
      const grpc::Status found = Find(request.name(), job);
      const std::lock_guard lock(mutex_);
      if (found.ok()) jobs_[request.name()].set_state(state);
      job->set_state(state);
      return found;
    };
  }

  template <typename Send>
  grpc::Status Watch(const v1::WatchJobRequest& request, const Send& send) {
    v1::JobEvent event;
    event.set_job(request.name());
    if (request.after_seq() == 0) {
      event.set_seq(1);
      event.mutable_quality_measured()->set_subject("original");
      event.mutable_quality_measured()->mutable_quality()->set_perplexity(23.5);
      send(event);
      if (while_running_) {
        const grpc::Status status = while_running_();
        if (!status.ok()) return status;
      }
    }
    event.set_seq(2);
    const std::lock_guard lock(mutex_);
    v1::Job& job = jobs_[request.name()];
    job.set_state(cancelled_.empty() ? ends_as_ : v1::STATE_CANCELLED);
    event.mutable_state_changed()->set_to(job.state());
    if (job.state() == v1::STATE_FAILED) {
      job.mutable_error()->set_code(13);
      job.mutable_error()->set_message("the worker crashed");
    }
    if (job.state() == v1::STATE_SUCCEEDED) ShowSuccess(&job);
    send(event);
    return grpc::Status::OK;
  }

  bool Exists(const std::string& name) const { return std::filesystem::exists(folder_ / name); }

  std::mutex mutex_;
  FakeCheckpoint checkpoint_;
  std::vector<v1::CreateJobRequest> requests_;
  std::map<std::string, std::string> names_by_request_;
  std::map<std::string, v1::Job> jobs_;
  std::vector<std::string> cancelled_;
  std::vector<v1::ListJobsRequest> listings_;
  std::string deleted_request_;
  Answer<v1::UpdateJobRequest, v1::Job> on_update_;
  v1::State ends_as_ = v1::STATE_SUCCEEDED;
  std::function<grpc::Status()> while_running_;
  std::unique_ptr<FakeService> service_;
  std::string output_ = folder_ / "out";
};

}  // namespace pivot::client

#endif  // PIVOT_TESTS_CLIENT_SERVER_COMMANDS_FIXTURE_H_

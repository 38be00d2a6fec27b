// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_CLIENT_FAKE_SERVICE_H_
#define PIVOT_TESTS_CLIENT_FAKE_SERVICE_H_

// A server in this process whose answers the test writes.

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <memory>
#include <string>
#include <utility>

#include "tests/client/fake_methods.h"
#include "tests/support/temporary_folder.h"

namespace pivot::client {

class FakeService {
 public:
  explicit FakeService(FakeMethods methods)
      : methods_(std::move(methods)), jobs_(&methods_), checkpoints_(&methods_), capabilities_(&methods_) {
    Start();
  }

  std::string address() const { return "unix:" + (folder_ / "socket"); }

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
    builder.RegisterService(&jobs_);
    builder.RegisterService(&checkpoints_);
    builder.RegisterService(&capabilities_);
    server_ = builder.BuildAndStart();
  }

  void Stop() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

 private:
  template <typename Method, typename Request, typename Response>
  static grpc::Status Call(const Method& method, const Request& request, Response response) {
    return method ? method(request, response) : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "the test has no answer");
  }

  template <typename Request, typename Response>
  static grpc::Status Send(const Stream<Request, Response>& stream, const Request& request,
                           grpc::ServerWriter<Response>* writer) {
    return Call(stream, request, [writer](const Response& response) { return writer->Write(response); });
  }

  struct JobsService : v1::Jobs::Service {
    explicit JobsService(FakeMethods* used) : methods(used) {}
    grpc::Status CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request, v1::Job* job) override {
      return Call(methods->create_job, *request, job);
    }
    grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request, v1::Job* job) override {
      return Call(methods->get_job, *request, job);
    }
    grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                          v1::ListJobsResponse* jobs) override {
      return Call(methods->list_jobs, *request, jobs);
    }
    grpc::Status CancelJob(grpc::ServerContext*, const v1::CancelJobRequest* request, v1::Job* job) override {
      return Call(methods->cancel_job, *request, job);
    }
    grpc::Status SuspendJob(grpc::ServerContext*, const v1::SuspendJobRequest* request, v1::Job* job) override {
      return Call(methods->suspend_job, *request, job);
    }
    grpc::Status ResumeJob(grpc::ServerContext*, const v1::ResumeJobRequest* request, v1::Job* job) override {
      return Call(methods->resume_job, *request, job);
    }
    grpc::Status RetryJob(grpc::ServerContext*, const v1::RetryJobRequest* request, v1::Job* job) override {
      return Call(methods->retry_job, *request, job);
    }
    grpc::Status UpdateJob(grpc::ServerContext*, const v1::UpdateJobRequest* request, v1::Job* job) override {
      return Call(methods->update_job, *request, job);
    }
    grpc::Status DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest* request,
                           google::protobuf::Empty* nothing) override {
      return Call(methods->delete_job, *request, nothing);
    }
    grpc::Status WatchJob(grpc::ServerContext*, const v1::WatchJobRequest* request,
                          grpc::ServerWriter<v1::JobEvent>* writer) override {
      return Send(methods->watch_job, *request, writer);
    }
    grpc::Status WatchJobs(grpc::ServerContext*, const v1::WatchJobsRequest* request,
                           grpc::ServerWriter<v1::JobEvent>* writer) override {
      return Send(methods->watch_jobs, *request, writer);
    }
    grpc::Status StreamLogs(grpc::ServerContext*, const v1::StreamLogsRequest* request,
                            grpc::ServerWriter<v1::LogChunk>* writer) override {
      return Send(methods->stream_logs, *request, writer);
    }
    FakeMethods* methods;
  };

  struct CheckpointsService : v1::Checkpoints::Service {
    explicit CheckpointsService(FakeMethods* used) : methods(used) {}
    grpc::Status GetManifest(grpc::ServerContext*, const v1::GetManifestRequest* request,
                             v1::Manifest* manifest) override {
      return Call(methods->get_manifest, *request, manifest);
    }
    grpc::Status ReadFile(grpc::ServerContext*, const v1::ReadFileRequest* request,
                          grpc::ServerWriter<v1::ReadFileResponse>* writer) override {
      return Send(methods->read_file, *request, writer);
    }
    FakeMethods* methods;
  };

  struct CapabilitiesService : v1::Capabilities::Service {
    explicit CapabilitiesService(FakeMethods* used) : methods(used) {}
    grpc::Status GetCapabilities(grpc::ServerContext*, const v1::GetCapabilitiesRequest* request,
                                 v1::ServerCapabilities* capabilities) override {
      return Call(methods->get_capabilities, *request, capabilities);
    }
    FakeMethods* methods;
  };

  TemporaryFolder folder_;
  FakeMethods methods_;
  JobsService jobs_;
  CheckpointsService checkpoints_;
  CapabilitiesService capabilities_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace pivot::client

#endif  // PIVOT_TESTS_CLIENT_FAKE_SERVICE_H_

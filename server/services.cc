// SPDX-License-Identifier: Apache-2.0
#include "server/services.h"

#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "pivot/v1/capabilities.grpc.pb.h"
#include "pivot/v1/checkpoints.grpc.pb.h"
#include "pivot/v1/jobs.grpc.pb.h"

#include "server/errors.h"
#include "server/grpc_status.h"
#include "server/handlers/handlers.h"

namespace pivot {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// Each may wait 20 s for its probe.
constexpr size_t kMaxWaitingProbes = 64;

/// A unary call and where it runs.
struct Call {
  CallbackServerContext* context;
  Backend* backend;
  Executor* executor;
  const char* service;  // names for the metrics
  const char* method;
};

template <typename Request, typename Response>
using Handler = std::function<absl::StatusOr<Response>(const Request&, Backend&)>;

/// Runs a handler in the call's executor and ends the call with what it gives. Request and response live until then.
template <typename Request, typename Response>
ServerUnaryReactor* Run(const Call& call, Handler<Request, Response> handler, const Request* request,
                        Response* response) {
  ServerUnaryReactor* reactor = call.context->DefaultReactor();
  const auto begin = std::chrono::steady_clock::now();
  call.executor->Post([=, handler = std::move(handler)] {
    absl::StatusOr<Response> result = handler(*request, *call.backend);
    const absl::Status status = result.status();
    if (status.ok()) *response = *std::move(result);
    call.backend->metrics->CallHandled(call.service, call.method, status.code(),
                                       absl::FromChrono(std::chrono::steady_clock::now() - begin));
    reactor->Finish(ToGrpcStatus(status));
  });
  return reactor;
}

class JobsService final : public v1::Jobs::CallbackService {
 public:
  explicit JobsService(Backend* backend) : backend_(backend) {}

  ServerUnaryReactor* CreateJob(CallbackServerContext* context, const v1::CreateJobRequest* request,
                                v1::Job* response) override {
    const bool busy = backend_->probing->num_waiting() >= kMaxWaitingProbes;
    const Handler<v1::CreateJobRequest, v1::Job> handler = [=](const v1::CreateJobRequest& wanted,
                                                               Backend& backend) -> absl::StatusOr<v1::Job> {
      if (busy) return ServerBusy();
      return pivot::CreateJob(wanted, [context] { return context->IsCancelled(); }, backend);
    };
    Executor* executor = busy ? backend_->control : backend_->probing;
    return Run({context, backend_, executor, "Jobs", "CreateJob"}, handler, request, response);
  }

  ServerUnaryReactor* GetJob(CallbackServerContext* context, const v1::GetJobRequest* request,
                             v1::Job* response) override {
    return Run<v1::GetJobRequest, v1::Job>(Control(context, "GetJob"), pivot::GetJob, request, response);
  }

  ServerUnaryReactor* ListJobs(CallbackServerContext* context, const v1::ListJobsRequest* request,
                               v1::ListJobsResponse* response) override {
    return Run<v1::ListJobsRequest, v1::ListJobsResponse>(Control(context, "ListJobs"), pivot::ListJobs, request,
                                                          response);
  }

  ServerUnaryReactor* CancelJob(CallbackServerContext* context, const v1::CancelJobRequest* request,
                                v1::Job* response) override {
    return Run<v1::CancelJobRequest, v1::Job>(Control(context, "CancelJob"), pivot::CancelJob, request, response);
  }

  ServerUnaryReactor* SuspendJob(CallbackServerContext* context, const v1::SuspendJobRequest* request,
                                 v1::Job* response) override {
    return Run<v1::SuspendJobRequest, v1::Job>(Control(context, "SuspendJob"), pivot::SuspendJob, request, response);
  }

  ServerUnaryReactor* ResumeJob(CallbackServerContext* context, const v1::ResumeJobRequest* request,
                                v1::Job* response) override {
    return Run<v1::ResumeJobRequest, v1::Job>(Control(context, "ResumeJob"), pivot::ResumeJob, request, response);
  }

  ServerUnaryReactor* RetryJob(CallbackServerContext* context, const v1::RetryJobRequest* request,
                               v1::Job* response) override {
    return Run<v1::RetryJobRequest, v1::Job>(Control(context, "RetryJob"), pivot::RetryJob, request, response);
  }

  ServerUnaryReactor* UpdateJob(CallbackServerContext* context, const v1::UpdateJobRequest* request,
                                v1::Job* response) override {
    return Run<v1::UpdateJobRequest, v1::Job>(Control(context, "UpdateJob"), pivot::UpdateJob, request, response);
  }

  ServerUnaryReactor* DeleteJob(CallbackServerContext* context, const v1::DeleteJobRequest* request,
                                google::protobuf::Empty* response) override {
    return Run<v1::DeleteJobRequest, google::protobuf::Empty>(Control(context, "DeleteJob"), pivot::DeleteJob, request,
                                                              response);
  }

  grpc::ServerWriteReactor<v1::JobEvent>* WatchJob(CallbackServerContext* /*context*/,
                                                   const v1::WatchJobRequest* request) override {
    return pivot::WatchJob(*request, *backend_);
  }

  grpc::ServerWriteReactor<v1::JobEvent>* WatchJobs(CallbackServerContext* /*context*/,
                                                    const v1::WatchJobsRequest* request) override {
    return pivot::WatchJobs(*request, *backend_);
  }

  grpc::ServerWriteReactor<v1::LogChunk>* StreamLogs(CallbackServerContext* /*context*/,
                                                     const v1::StreamLogsRequest* request) override {
    return pivot::StreamLogs(*request, *backend_);
  }

 private:
  Call Control(CallbackServerContext* context, const char* method) const {
    return {context, backend_, backend_->control, "Jobs", method};
  }

  Backend* const backend_;
};

class CheckpointsService final : public v1::Checkpoints::CallbackService {
 public:
  explicit CheckpointsService(Backend* backend) : backend_(backend) {}

  ServerUnaryReactor* GetManifest(CallbackServerContext* context, const v1::GetManifestRequest* request,
                                  v1::Manifest* response) override {
    return Run<v1::GetManifestRequest, v1::Manifest>(
        {context, backend_, backend_->transfer, "Checkpoints", "GetManifest"}, pivot::GetManifest, request, response);
  }

  grpc::ServerWriteReactor<v1::ReadFileResponse>* ReadFile(CallbackServerContext* /*context*/,
                                                           const v1::ReadFileRequest* request) override {
    return pivot::ReadFile(*request, *backend_);
  }

 private:
  Backend* const backend_;
};

class CapabilitiesService final : public v1::Capabilities::CallbackService {
 public:
  explicit CapabilitiesService(Backend* backend) : backend_(backend) {}

  ServerUnaryReactor* GetCapabilities(CallbackServerContext* context, const v1::GetCapabilitiesRequest* request,
                                      v1::ServerCapabilities* response) override {
    return Run<v1::GetCapabilitiesRequest, v1::ServerCapabilities>(
        {context, backend_, backend_->control, "Capabilities", "GetCapabilities"}, pivot::GetCapabilities, request,
        response);
  }

 private:
  Backend* const backend_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> MakeServices(Backend* backend) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<JobsService>(backend));
  services.push_back(std::make_unique<CheckpointsService>(backend));
  services.push_back(std::make_unique<CapabilitiesService>(backend));
  return services;
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "server/services.h"

#include <chrono>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "pivot/v1/capabilities.grpc.pb.h"
#include "pivot/v1/checkpoints.grpc.pb.h"
#include "pivot/v1/jobs.grpc.pb.h"

#include "server/convert.h"
#include "server/errors.h"
#include "server/grpc_status.h"
#include "server/handlers/ended_call.h"
#include "server/handlers/handlers.h"
#include "server/handlers/stream_admission.h"
#include "server/identity/access.h"
#include "server/identity/credentials.h"

namespace pivot {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// Each may wait 20 s for its probe.
constexpr size_t kMaxWaitingProbes = 64;
constexpr size_t kMaxRequestIdBytes = 64;

/// A unary call and where it runs.
struct Call {
  CallbackServerContext* context;
  Backend* backend;
  Executor* executor;
  const char* service;  // names for the metrics
  const char* method;
};

/// What the caller must be allowed to do, and where.
struct Demand {
  Verb verb;
  absl::string_view resource;
};

template <typename Request, typename Response>
using Handler = std::function<absl::StatusOr<Response>(const Request&, const Access&, Backend&)>;

template <typename Request>
std::string RequestIdOf(const Request& request) {
  if constexpr (requires { request.request_id(); }) return Utf8Head(request.request_id(), kMaxRequestIdBytes);
  return "";
}

/// The name that a job has got by the call.
template <typename Response>
void NameResult(const Response& response, Access* access) {
  if constexpr (std::is_same_v<Response, v1::Job>) {
    if (!response.name().empty()) access->resource = response.name();
  }
}

/// Authorizes the call, runs its handler in the call's executor and ends the call with what that gives. Request and
/// response live until then. A call that is refused takes no executor's time.
template <typename Request, typename Response>
ServerUnaryReactor* Run(const Call& call, const Demand& demand, Handler<Request, Response> handler,
                        const Request* request, Response* response) {
  Access access = Authorize(*call.backend->identity, CredentialsOf(*call.context), demand.verb, demand.resource);
  ServerUnaryReactor* reactor = call.context->DefaultReactor();
  const auto begin = std::chrono::steady_clock::now();
  const auto end = [=](const Access& ended, const absl::Status& status) {
    WriteDown({.service = call.service,
               .method = call.method,
               .access = ended,
               .status = status,
               .begin = begin,
               .request_id = RequestIdOf(*request)},
              *call.backend);
    reactor->Finish(ToGrpcStatus(status));
  };
  if (!access.status.ok()) {
    end(access, access.status);
    return reactor;
  }
  call.executor->Post([=, access = std::move(access), handler = std::move(handler)]() mutable {
    absl::StatusOr<Response> result = handler(*request, access, *call.backend);
    const absl::Status status = result.status();
    if (status.ok()) {
      NameResult(*result, &access);
      *response = *std::move(result);
    }
    end(access, status);
  });
  return reactor;
}

/// Authorizes a call that is answered with a stream.
StreamAdmission Admit(const CallbackServerContext& context, const Backend& backend, const Demand& demand,
                      StreamKind kind) {
  return StreamAdmission({backend.identity, backend.slots, backend.heartbeat_interval}, CredentialsOf(context),
                         demand.verb, demand.resource, kind);
}

class JobsService final : public v1::Jobs::CallbackService {
 public:
  explicit JobsService(Backend* backend) : backend_(backend) {}

  ServerUnaryReactor* CreateJob(CallbackServerContext* context, const v1::CreateJobRequest* request,
                                v1::Job* response) override {
    const bool busy = backend_->probing->num_waiting() >= kMaxWaitingProbes;
    const Handler<v1::CreateJobRequest, v1::Job> handler = [=](const v1::CreateJobRequest& wanted, const Access& access,
                                                               Backend& backend) -> absl::StatusOr<v1::Job> {
      if (busy) return ServerBusy();
      return pivot::CreateJob(wanted, access, [context] { return context->IsCancelled(); }, backend);
    };
    Executor* executor = busy ? backend_->control : backend_->probing;
    return Run({context, backend_, executor, "Jobs", "CreateJob"}, {Verb::kCreate, request->parent()}, handler, request,
               response);
  }

  ServerUnaryReactor* GetJob(CallbackServerContext* context, const v1::GetJobRequest* request,
                             v1::Job* response) override {
    return Run<v1::GetJobRequest, v1::Job>(Control(context, "GetJob"), {Verb::kRead, request->name()}, pivot::GetJob,
                                           request, response);
  }

  ServerUnaryReactor* ListJobs(CallbackServerContext* context, const v1::ListJobsRequest* request,
                               v1::ListJobsResponse* response) override {
    return Run<v1::ListJobsRequest, v1::ListJobsResponse>(
        Control(context, "ListJobs"), {Verb::kRead, request->parent()}, pivot::ListJobs, request, response);
  }

  ServerUnaryReactor* CancelJob(CallbackServerContext* context, const v1::CancelJobRequest* request,
                                v1::Job* response) override {
    return Run<v1::CancelJobRequest, v1::Job>(Control(context, "CancelJob"), {Verb::kSteer, request->name()},
                                              pivot::CancelJob, request, response);
  }

  ServerUnaryReactor* SuspendJob(CallbackServerContext* context, const v1::SuspendJobRequest* request,
                                 v1::Job* response) override {
    return Run<v1::SuspendJobRequest, v1::Job>(Control(context, "SuspendJob"), {Verb::kSteer, request->name()},
                                               pivot::SuspendJob, request, response);
  }

  ServerUnaryReactor* ResumeJob(CallbackServerContext* context, const v1::ResumeJobRequest* request,
                                v1::Job* response) override {
    return Run<v1::ResumeJobRequest, v1::Job>(Control(context, "ResumeJob"), {Verb::kSteer, request->name()},
                                              pivot::ResumeJob, request, response);
  }

  ServerUnaryReactor* RetryJob(CallbackServerContext* context, const v1::RetryJobRequest* request,
                               v1::Job* response) override {
    return Run<v1::RetryJobRequest, v1::Job>(Control(context, "RetryJob"), {Verb::kSteer, request->name()},
                                             pivot::RetryJob, request, response);
  }

  ServerUnaryReactor* UpdateJob(CallbackServerContext* context, const v1::UpdateJobRequest* request,
                                v1::Job* response) override {
    return Run<v1::UpdateJobRequest, v1::Job>(Control(context, "UpdateJob"), {Verb::kSteer, request->job().name()},
                                              pivot::UpdateJob, request, response);
  }

  ServerUnaryReactor* DeleteJob(CallbackServerContext* context, const v1::DeleteJobRequest* request,
                                google::protobuf::Empty* response) override {
    return Run<v1::DeleteJobRequest, google::protobuf::Empty>(
        Control(context, "DeleteJob"), {Verb::kDelete, request->name()}, pivot::DeleteJob, request, response);
  }

  grpc::ServerWriteReactor<v1::JobEvent>* WatchJob(CallbackServerContext* context,
                                                   const v1::WatchJobRequest* request) override {
    return pivot::WatchJob(*request, Admit(*context, *backend_, {Verb::kRead, request->name()}, StreamKind::kWatch),
                           *backend_);
  }

  grpc::ServerWriteReactor<v1::JobEvent>* WatchJobs(CallbackServerContext* context,
                                                    const v1::WatchJobsRequest* request) override {
    return pivot::WatchJobs(*request, Admit(*context, *backend_, {Verb::kRead, request->parent()}, StreamKind::kWatch),
                            *backend_);
  }

  grpc::ServerWriteReactor<v1::LogChunk>* StreamLogs(CallbackServerContext* context,
                                                     const v1::StreamLogsRequest* request) override {
    return pivot::StreamLogs(*request, Admit(*context, *backend_, {Verb::kRead, request->name()}, StreamKind::kWatch),
                             *backend_);
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
        {context, backend_, backend_->transfer, "Checkpoints", "GetManifest"}, {Verb::kRead, request->name()},
        pivot::GetManifest, request, response);
  }

  grpc::ServerWriteReactor<v1::ReadFileResponse>* ReadFile(CallbackServerContext* context,
                                                           const v1::ReadFileRequest* request) override {
    return pivot::ReadFile(
        *request, Admit(*context, *backend_, {Verb::kRead, request->checkpoint()}, StreamKind::kData), *backend_);
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
        {context, backend_, backend_->control, "Capabilities", "GetCapabilities"}, {Verb::kRead, ""},
        pivot::GetCapabilities, request, response);
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

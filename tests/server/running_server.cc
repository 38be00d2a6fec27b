// SPDX-License-Identifier: Apache-2.0
#include "tests/server/running_server.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "server/convert.h"
#include "server/probe/probe.h"
#include "server/store/transition.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

// Longer than anything a test does, shorter than a test's own time limit.
constexpr auto kCallTimeout = std::chrono::seconds(60);

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
}

template <typename Detail>
Detail FindDetail(const google::rpc::Status& status) {
  Detail detail;
  for (const google::protobuf::Any& any : status.details()) {
    if (any.UnpackTo(&detail)) return detail;
  }
  return Detail();
}

template <typename Detail>
Detail FindDetail(const grpc::Status& status) {
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  return FindDetail<Detail>(details);
}

}  // namespace

RunningServer::RunningServer() : model_(folder_ / "model") {
  folder_.Write("model/config.json", "{}");
  options = {.data_folder = data(),
             .listen = {absl::StrCat("unix:", folder_ / "socket")},
             .allow_paths = {folder_.path()},
             .worker_program = PIVOT_FAKE_WORKER,
             .probe_program = PIVOT_FAKE_PROBE,
             .torch_path_file = folder_ / "torch.path",
             .environment = {"PATH=/usr/bin:/bin", absl::StrCat("PIVOT_TORCH_LIB=", PIVOT_FAKE_TORCH_LIB)},
             .devices = std::vector<Device>{{.name = "cpu", .model = "test", .memory_bytes = int64_t{1} << 30}},
             .watchdog = {.silence = std::chrono::seconds(30),
                          .stuck = std::chrono::seconds(30),
                          .terminate_grace = std::chrono::milliseconds(2000),
                          .cancel_grace = std::chrono::seconds(10)},
             .probe_limits = DefaultProbeLimits(),
             .heartbeat_interval = absl::Seconds(15),
             .call_grace = absl::Milliseconds(500)};
}

RunningServer::~RunningServer() = default;

void RunningServer::Start() {
  ASSERT_OK_AND_ASSIGN(server_, Server::Start(options));
  // A channel of its own for each server: gRPC would share a connection that waits before it tries again.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ = grpc::CreateCustomChannel(server_->addresses()[0], grpc::InsecureChannelCredentials(), arguments);
  jobs_ = v1::Jobs::NewStub(channel_);
  checkpoints_ = v1::Checkpoints::NewStub(channel_);
  capabilities_ = v1::Capabilities::NewStub(channel_);
}

void RunningServer::Stop() { server_.reset(); }

void RunningServer::SetScript(const nlohmann::json& steps) {
  const std::string path = folder_.Write("script.json", steps.dump());
  const std::string entry = absl::StrCat("PIVOT_FAKE_SCRIPT=", path);
  auto& environment = options.environment;
  if (std::find(environment.begin(), environment.end(), entry) == environment.end()) environment.push_back(entry);
}

std::string RunningServer::Gate(absl::string_view name) const { return folder_ / absl::StrCat("gate-", name); }

void RunningServer::Open(absl::string_view name) const { folder_.Write(absl::StrCat("gate-", name), ""); }

v1::CreateJobRequest RunningServer::CompressRequest(const std::string& job_id) const {
  v1::CreateJobRequest request;
  request.set_parent(kProject);
  request.set_job_id(job_id);
  request.mutable_job()->mutable_spec()->mutable_compress()->mutable_source()->set_path(model_);
  return request;
}

v1::Job RunningServer::Create(const v1::CreateJobRequest& request) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::Job job;
  const grpc::Status status = jobs_->CreateJob(&context, request, &job);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return job;
}

grpc::Status RunningServer::TryCreate(const v1::CreateJobRequest& request) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::Job job;
  return jobs_->CreateJob(&context, request, &job);
}

v1::Job RunningServer::Get(const std::string& name) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::GetJobRequest request;
  request.set_name(name);
  v1::Job job;
  const grpc::Status status = jobs_->GetJob(&context, request, &job);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return job;
}

v1::Job RunningServer::Cancel(const std::string& name) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::CancelJobRequest request;
  request.set_name(name);
  v1::Job job;
  const grpc::Status status = jobs_->CancelJob(&context, request, &job);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return job;
}

v1::Job RunningServer::AwaitState(const std::string& name, v1::State state) {
  v1::Job job;
  const bool reached = Eventually([&] { return (job = Get(name)).state() == state; });
  EXPECT_TRUE(reached) << name << " is " << StateText(job.state()) << ", not " << StateText(state) << ": "
                       << job.DebugString();
  return job;
}

void RunningServer::AwaitWorker(const std::string& name) {
  constexpr uint64_t kAttemptStarted = 3;  // after QUEUED and RUNNING
  EXPECT_TRUE(Eventually([&] { return Get(name).last_seq() >= kAttemptStarted; })) << Get(name).DebugString();
}

v1::Job RunningServer::AwaitEnd(const std::string& name) {
  v1::Job job;
  EXPECT_TRUE(Eventually([&] { return IsTerminal((job = Get(name)).state()); })) << job.DebugString();
  return job;
}

std::vector<v1::JobEvent> RunningServer::Watch(const std::string& name, uint64_t after_seq) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchJobRequest request;
  request.set_name(name);
  request.set_after_seq(after_seq);
  const auto reader = jobs_->WatchJob(&context, request);
  std::vector<v1::JobEvent> events;
  for (v1::JobEvent event; reader->Read(&event);) events.push_back(event);
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return events;
}

RunningServer::ReadResult RunningServer::ReadFile(const std::string& checkpoint, const std::string& path,
                                                  int64_t offset, int64_t limit) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::ReadFileRequest request;
  request.set_checkpoint(checkpoint);
  request.set_path(path);
  request.set_offset(offset);
  request.set_limit(limit);
  const auto reader = checkpoints_->ReadFile(&context, request);
  ReadResult result;
  for (v1::ReadFileResponse response; reader->Read(&response);) {
    EXPECT_EQ(response.offset(), offset + static_cast<int64_t>(result.bytes.size()));
    result.bytes += response.data();
    result.largest_chunk = std::max(result.largest_chunk, response.data().size());
    if (response.has_tail()) result.tail = response.tail();
  }
  result.status = reader->Finish();
  return result;
}

std::string ReasonIn(const grpc::Status& status) { return FindDetail<google::rpc::ErrorInfo>(status).reason(); }

std::string ReasonIn(const google::rpc::Status& error) { return FindDetail<google::rpc::ErrorInfo>(error).reason(); }

std::string FieldIn(const grpc::Status& status) {
  const auto request = FindDetail<google::rpc::BadRequest>(status);
  return request.field_violations().empty() ? "" : request.field_violations(0).field();
}

absl::Duration RetryDelayIn(const grpc::Status& status) {
  const auto delay = FindDetail<google::rpc::RetryInfo>(status).retry_delay();
  return absl::Seconds(delay.seconds()) + absl::Nanoseconds(delay.nanos());
}

std::vector<uint64_t> Sequence(const std::vector<v1::JobEvent>& events) {
  std::vector<uint64_t> numbers;
  for (const v1::JobEvent& event : events) {
    if (event.seq() > 0) numbers.push_back(event.seq());
  }
  return numbers;
}

std::vector<uint64_t> Counting(uint64_t first, uint64_t last) {
  std::vector<uint64_t> numbers;
  for (uint64_t number = first; number <= last; ++number) numbers.push_back(number);
  return numbers;
}

std::vector<std::string> StatesIn(const std::vector<v1::JobEvent>& events) {
  std::vector<std::string> states;
  for (const v1::JobEvent& event : events) {
    if (event.has_state_changed()) states.push_back(StateText(event.state_changed().to()));
  }
  return states;
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/course.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "server/store/schema.h"
#include "server/store/sqlite.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/torture/client.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto kCallTimeout = std::chrono::seconds(30);
// More than any machine has, so that the job runs alone.
constexpr char kHungryProbe[] = R"({"answer": {"plan": {"status": "estimated", "peak_host_bytes": 1000000000000000}}})";

void SetMilliseconds(google::protobuf::Duration* duration, int milliseconds) {
  duration->set_nanos(milliseconds * 1000000);
}

}  // namespace

Course::Course(uint64_t seed) : random_(seed) {
  server_.folder().Write("hungry/fake_probe.json", kHungryProbe);
  SetScript();
}

void Course::SetScript() {
  json script = {{{"heartbeat", "working"}},
                 {{"write", "journal.jsonl"}, {"text", "{}\n"}},
                 {{"send", "BlockDone"}, {"payload", {{"block", 0}, {"total", 1}}}},
                 {{"print", "some words"}},
                 {{"await_file", server_.folder() / "gate"}},
                 {{"pivot", json::object()}},
                 {{"send", "Done"}}};
  if (log_bytes_ > 0) script.insert(script.begin(), json::object({{"print_bytes", log_bytes_}}));
  server_.SetScript(script);
}

void Course::SetGate(bool open) {
  if (open) {
    server_.folder().Write("gate", "");
  } else {
    fs::remove(server_.folder() / "gate");
  }
}

v1::CreateJobRequest Course::NewRequest(const std::string& device) {
  v1::CreateJobRequest request;
  request.set_parent(kProject);
  request.set_request_id(NewRequestId(random_));
  v1::JobSpec& spec = *request.mutable_job()->mutable_spec();
  spec.mutable_compress()->mutable_source()->set_path(server_.model());
  spec.set_device(device);
  return request;
}

bool Course::TakeStatus(const grpc::Status& status, const BookedJob& booked) {
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return false;
  EXPECT_TRUE(status.ok()) << booked.name << ": " << status.error_message();
  return status.ok();
}

BookedJob* Course::Create(v1::CreateJobRequest request) {
  BookedJob& booked = books_.Add(std::move(request));
  // Twice: the second time is a client that did not hear the answer.
  for (int i = 0; i < 2; ++i) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    v1::Job job;
    if (!TakeStatus(server_.jobs().CreateJob(&context, booked.request, &job), booked)) return nullptr;
    books_.TakeAnswer(booked, job);
  }
  return &booked;
}

template <typename Request>
bool Course::Ask(BookedJob& booked,
                 grpc::Status (v1::Jobs::Stub::*method)(grpc::ClientContext*, const Request&, v1::Job*)) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  Request request;
  request.set_name(booked.name);
  v1::Job job;
  if (!TakeStatus((server_.jobs().*method)(&context, request, &job), booked)) return false;
  books_.TakeAnswer(booked, job);
  return true;
}

bool Course::Update(BookedJob& booked) {
  grpc::ClientContext context;
  v1::UpdateJobRequest request;
  request.mutable_job()->set_name(booked.name);
  request.mutable_job()->set_priority(60);
  request.mutable_update_mask()->add_paths("priority");
  v1::Job job;
  if (!TakeStatus(server_.jobs().UpdateJob(&context, request, &job), booked)) return false;
  books_.TakeAnswer(booked, job);
  return true;
}

bool Course::Delete(BookedJob& booked) {
  books_.MarkDeleteAsked(booked);
  grpc::ClientContext context;
  v1::DeleteJobRequest request;
  request.set_name(booked.name);
  google::protobuf::Empty nothing;
  if (!TakeStatus(server_.jobs().DeleteJob(&context, request, &nothing), booked)) return false;
  books_.MarkGone(booked);
  return true;
}

bool Course::AwaitState(BookedJob& booked, v1::State state) {
  bool alive = true;
  const bool came = Eventually([&] {
    alive = Ask(booked, &v1::Jobs::Stub::GetJob);
    return !alive || booked.answered_state == state;
  });
  EXPECT_TRUE(came) << booked.name << " does not become " << v1::State_Name(state);
  return came && alive;
}

bool Course::AwaitGone(BookedJob& booked) {
  grpc::StatusCode code = grpc::StatusCode::OK;
  EXPECT_TRUE(Eventually([&] {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_name(booked.name);
    v1::Job job;
    code = server_.jobs().GetJob(&context, request, &job).error_code();
    return code != grpc::StatusCode::OK;
  }));
  if (code == grpc::StatusCode::NOT_FOUND) books_.MarkGone(booked);
  return code == grpc::StatusCode::NOT_FOUND;
}

bool Course::RunOneJob() {
  SetGate(true);
  BookedJob* const job = Create(NewRequest("cpu"));
  return job != nullptr && AwaitState(*job, v1::STATE_SUCCEEDED) && Delete(*job);
}

bool Course::SteerSome() {
  SetGate(false);
  BookedJob* const running = Create(NewRequest("cpu"));
  if (running == nullptr || !AwaitState(*running, v1::STATE_RUNNING)) return false;
  BookedJob* const waiting = Create(NewRequest("cpu"));
  if (waiting == nullptr) return false;
  const bool steered = Update(*waiting) && Ask(*waiting, &v1::Jobs::Stub::CancelJob) &&
                       Ask(*waiting, &v1::Jobs::Stub::RetryJob) && Ask(*waiting, &v1::Jobs::Stub::SuspendJob) &&
                       Ask(*running, &v1::Jobs::Stub::SuspendJob);
  if (!steered) return false;
  // Too hungry to run beside another: it waits, and is told why.
  v1::CreateJobRequest hungry = NewRequest("cuda:0");
  hungry.mutable_job()->mutable_spec()->mutable_compress()->mutable_source()->set_path(server_.folder() / "hungry");
  BookedJob* const second = Create(std::move(hungry));
  if (second == nullptr) return false;
  bool alive = true;
  EXPECT_TRUE(Eventually([&] {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_name(second->name);
    v1::Job job;
    alive = server_.jobs().GetJob(&context, request, &job).ok();
    return !alive || job.state_reason() == "WAITING_FOR_HOST_MEMORY";
  }));
  SetGate(true);
  return alive && AwaitState(*running, v1::STATE_SUCCEEDED) && Ask(*waiting, &v1::Jobs::Stub::ResumeJob) &&
         AwaitState(*waiting, v1::STATE_SUCCEEDED) && AwaitState(*second, v1::STATE_SUCCEEDED);
}

bool Course::LetSomePass() {
  SetGate(false);
  BookedJob* const running = Create(NewRequest("cpu"));
  if (running == nullptr || !AwaitState(*running, v1::STATE_RUNNING)) return false;
  v1::CreateJobRequest impatient = NewRequest("cpu");
  SetMilliseconds(impatient.mutable_job()->mutable_spec()->mutable_queue_timeout(), 1);
  BookedJob* const failed = Create(std::move(impatient));
  if (failed == nullptr || !AwaitState(*failed, v1::STATE_FAILED)) return false;
  SetGate(true);
  if (!AwaitState(*running, v1::STATE_SUCCEEDED)) return false;
  v1::CreateJobRequest passing = NewRequest("cpu");
  SetMilliseconds(passing.mutable_job()->mutable_spec()->mutable_ttl(), 100);
  BookedJob* const passed = Create(std::move(passing));
  return passed != nullptr && AwaitGone(*passed);
}

bool Course::GoAll() { return RunOneJob() && SteerSome() && LetSomePass(); }

bool Course::Run(const std::vector<std::string>& environment) {
  SetScript();
  if (server_.Start(environment) && GoAll()) {
    SetGate(false);  // one whose worker is there when the server ends
    BookedJob* const last = Create(NewRequest("auto"));
    if (last != nullptr && AwaitState(*last, v1::STATE_RUNNING)) server_.Signal(SIGTERM);
  }
  const ProcessEnd end = server_.AwaitEnd();
  return end.signal != 0 || end.exit_code != 0;
}

void Course::CheckWhatIsLeft() {
  SetGate(true);
  ASSERT_TRUE(server_.Start()) << "it does not start again";
  for (BookedJob* booked : books_.Jobs()) {
    if (!booked->name.empty() || booked->gone) continue;
    grpc::ClientContext context;
    v1::Job job;
    const grpc::Status status = server_.jobs().CreateJob(&context, booked->request, &job);
    if (status.ok()) books_.TakeAnswer(*booked, job);
    EXPECT_TRUE(status.ok() || booked->may_vanish) << status.error_message();
  }
  checker_.CheckAll(server_.jobs(), server_.checkpoints());
  server_.Stop();
  CheckDataFolder(server_.data());
}

void Course::LeaveThingsBehind() {
  SetGate(true);
  ASSERT_TRUE(server_.Start());
  BookedJob* const done = Create(NewRequest("cpu"));
  ASSERT_TRUE(done != nullptr && AwaitState(*done, v1::STATE_SUCCEEDED));
  SetGate(false);
  BookedJob* const lost = Create(NewRequest("cpu"));
  ASSERT_TRUE(lost != nullptr && AwaitState(*lost, v1::STATE_RUNNING));
  server_.Kill();
  for (const char* path : {"data/objects/nobodys/config.json", "data/staging/nobodys/journal.jsonl",
                           "data/logs/nobodys/1/00000000000000000000.log"}) {
    server_.folder().Write(path, "{}");
  }
}

void Course::LeaveOldDatabase() {
  fs::create_directories(server_.data());
  v1::CreateJobRequest request = NewRequest("cpu");
  const std::string spec = request.job().spec().SerializeAsString();
  const std::string id = request.request_id();
  v1::JobEvent event;
  event.set_job(absl::StrCat(kProject, "/jobs/old"));
  event.set_seq(1);
  event.mutable_state_changed()->set_to(v1::STATE_QUEUED);
  const std::string event_bytes = event.SerializeAsString();
  auto database = Database::Open(server_.data() + "/pivot.db", Database::Mode::kReadWrite);
  ASSERT_OK(database);
  ASSERT_OK((*database)->Execute(StoreMigrations()[0]));
  ASSERT_OK(
      (*database)->Execute(absl::StrCat("PRAGMA application_id = ", kStoreApplicationId, "; PRAGMA user_version = 1")));
  ASSERT_OK((*database)->Run("INSERT INTO project (id, last_seq, create_us) VALUES ('torture', 1, 1)"));
  ASSERT_OK((*database)->Run(
      "INSERT INTO job (uid, project, id, state, priority, device, spec_pb, spec_sha256, staging_uid, last_seq, "
      "create_us, update_us) VALUES ('old-uid', 'torture', 'old', 1, 50, 'cpu', ?, '', 'old-uid', 1, 1, 1)",
      Blob{spec}));
  ASSERT_OK((*database)->Run("INSERT INTO request VALUES ('torture', ?, '', 'old-uid', 1)", id));
  ASSERT_OK((*database)->Run("INSERT INTO event VALUES ('old-uid', 1, 'torture', 1, 1, ?)", Blob{event_bytes}));
  BookedJob& booked = books_.Add(std::move(request));
  v1::Job job;
  job.set_name(event.job());
  job.set_uid("old-uid");
  job.set_state(v1::STATE_QUEUED);
  job.set_last_seq(1);
  books_.TakeAnswer(booked, job);
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/client.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <grpcpp/grpcpp.h>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"

#include "tests/torture/tortured_server.h"

namespace pivot {
namespace {

constexpr size_t kMaxOpen = 6;
// Longer than any call takes, so that a server which does not answer is a failure and not a test that hangs.
constexpr auto kCallTimeout = std::chrono::seconds(30);

bool IsTerminalState(v1::State state) {
  return state == v1::STATE_SUCCEEDED || state == v1::STATE_FAILED || state == v1::STATE_CANCELLED;
}

/// The server is gone, or about to go.
bool IsGone(const grpc::Status& status) { return status.error_code() == grpc::StatusCode::UNAVAILABLE; }

/// For a call that nobody here cancels: one that reaches gRPC 1.51 while it shuts down ends as CANCELLED.
bool IsUnanswered(const grpc::Status& status) {
  return IsGone(status) || status.error_code() == grpc::StatusCode::CANCELLED;
}

template <typename Request>
grpc::Status Call(v1::Jobs::Stub& jobs, const std::string& name, v1::Job* job,
                  grpc::Status (v1::Jobs::Stub::*method)(grpc::ClientContext*, const Request&, v1::Job*)) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  Request request;
  request.set_name(name);
  return (jobs.*method)(&context, request, job);
}

grpc::Status Update(v1::Jobs::Stub& jobs, const std::string& name, int priority, v1::Job* job) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  v1::UpdateJobRequest request;
  request.mutable_job()->set_name(name);
  request.mutable_job()->set_priority(priority);
  request.mutable_update_mask()->add_paths("priority");
  return jobs.UpdateJob(&context, request, job);
}

void SetMilliseconds(google::protobuf::Duration* duration, int milliseconds) {
  duration->set_seconds(milliseconds / 1000);
  duration->set_nanos(milliseconds % 1000 * 1000000);
}

}  // namespace

std::string NewRequestId(std::mt19937_64& random) {
  const uint64_t high = random();
  const uint64_t low = random();
  return absl::StrFormat("%08x-%04x-%04x-%04x-%012x", high >> 32, high >> 16 & 0xFFFF, high & 0xFFFF, low >> 48,
                         low & 0xFFFFFFFFFFFF);
}

v1::CreateJobRequest RequestFor(const std::string& model, std::mt19937_64& random) {
  v1::CreateJobRequest request;
  request.set_parent(kProject);
  request.set_request_id(NewRequestId(random));
  v1::JobSpec& spec = *request.mutable_job()->mutable_spec();
  spec.mutable_compress()->mutable_source()->set_path(model);
  constexpr std::array<const char*, 3> kDevices = {"auto", "cpu", "cuda:0"};
  spec.set_device(kDevices[random() % kDevices.size()]);
  spec.set_priority(1 + static_cast<int>(random() % 100));
  if (random() % 10 == 0) SetMilliseconds(spec.mutable_ttl(), static_cast<int>(random() % 500) + 1);
  if (random() % 10 == 0) SetMilliseconds(spec.mutable_queue_timeout(), static_cast<int>(random() % 200) + 1);
  return request;
}

bool Client::TakeStatus(const grpc::Status& status, BookedJob& booked) {
  if (IsUnanswered(status)) return false;
  ++num_answers_;
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) books_.MarkGone(booked);
  const bool is_fine = status.ok() || status.error_code() == grpc::StatusCode::NOT_FOUND ||
                       status.error_code() == grpc::StatusCode::FAILED_PRECONDITION;
  EXPECT_TRUE(is_fine) << booked.name << ": " << status.error_message();
  return true;
}

bool Client::Create(v1::Jobs::Stub& jobs) {
  if (unanswered_ == nullptr) unanswered_ = &books_.Add(RequestFor(model_, random_));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  v1::Job job;
  const grpc::Status status = jobs.CreateJob(&context, unanswered_->request, &job);
  if (IsUnanswered(status)) return false;
  ++num_answers_;
  BookedJob& booked = *std::exchange(unanswered_, nullptr);
  if (status.ok()) {
    books_.TakeAnswer(booked, job);
    open_.push_back(&booked);
    return true;
  }
  // Made by a call without an answer, and deleted since.
  const bool is_deleted = status.error_code() == grpc::StatusCode::FAILED_PRECONDITION ||
                          status.error_code() == grpc::StatusCode::NOT_FOUND;
  EXPECT_TRUE(is_deleted && booked.may_vanish) << status.error_message();
  books_.MarkGone(booked);
  return true;
}

bool Client::Delete(v1::Jobs::Stub& jobs, BookedJob& booked) {
  books_.MarkDeleteAsked(booked);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  v1::DeleteJobRequest request;
  request.set_name(booked.name);
  google::protobuf::Empty nothing;
  const grpc::Status status = jobs.DeleteJob(&context, request, &nothing);
  if (!TakeStatus(status, booked)) return false;
  if (status.ok()) books_.MarkGone(booked);
  return true;
}

bool Client::AskOf(v1::Jobs::Stub& jobs, BookedJob& booked, Ask ask) {
  v1::Job job;
  grpc::Status status;
  switch (ask) {
    case Ask::kGet:
      status = Call(jobs, booked.name, &job, &v1::Jobs::Stub::GetJob);
      break;
    case Ask::kCancel:
      status = Call(jobs, booked.name, &job, &v1::Jobs::Stub::CancelJob);
      break;
    case Ask::kSuspend:
      status = Call(jobs, booked.name, &job, &v1::Jobs::Stub::SuspendJob);
      break;
    case Ask::kResume:
      status = Call(jobs, booked.name, &job, &v1::Jobs::Stub::ResumeJob);
      break;
    case Ask::kRetry:
      status = Call(jobs, booked.name, &job, &v1::Jobs::Stub::RetryJob);
      break;
    case Ask::kUpdate:
      status = Update(jobs, booked.name, 1 + Below(100), &job);
      break;
  }
  if (!TakeStatus(status, booked)) return false;
  if (status.ok()) books_.TakeAnswer(booked, job);
  return true;
}

bool Client::AskSomething(v1::Jobs::Stub& jobs) {
  std::erase_if(open_, [](const BookedJob* booked) { return booked->gone || booked->settled; });
  if (unanswered_ != nullptr || open_.empty() || (open_.size() < kMaxOpen && Below(3) == 0)) return Create(jobs);
  BookedJob& booked = *open_[static_cast<size_t>(Below(static_cast<int>(open_.size())))];
  if (booked.delete_asked) return Delete(jobs, booked);
  if (IsTerminalState(booked.answered_state) && Below(2) == 0) {
    if (Below(10) != 0) return Delete(jobs, booked);
    booked.settled = true;  // one of those that stay
    return true;
  }
  constexpr std::array<Ask, 9> kAsks = {Ask::kGet,    Ask::kGet,    Ask::kGet,   Ask::kCancel, Ask::kSuspend,
                                        Ask::kResume, Ask::kResume, Ask::kRetry, Ask::kUpdate};
  return AskOf(jobs, booked, kAsks[static_cast<size_t>(Below(static_cast<int>(kAsks.size())))]);
}

void Client::Run(v1::Jobs::Stub& jobs, const std::atomic<bool>& stop) {
  while (!stop && AskSomething(jobs)) {
  }
}

void WatchJobs(Books& books, v1::Jobs::Stub& jobs, uint64_t seed, const std::atomic<bool>& stop) {
  std::mt19937_64 random(seed);
  while (!stop) {
    const std::optional<WatchPlan> plan = books.ChooseWatch(random);
    if (!plan.has_value()) {
      std::this_thread::yield();
      continue;
    }
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    v1::WatchJobRequest request;
    request.set_name(plan->name);
    request.set_after_seq(plan->after_seq);
    const auto stream = jobs.WatchJob(&context, request);
    uint64_t last_seq = plan->after_seq;
    v1::JobEvent event;
    while (stream->Read(&event)) {
      if (event.seq() > 0) last_seq = books.TakeEvent(*plan->booked, event, last_seq);
      // One that is suspended is followed for ever; others want to be watched too.
      if (random() % 8 == 0) context.TryCancel();
    }
    if (IsGone(stream->Finish())) return;
  }
}

void WatchProject(Books& books, v1::Jobs::Stub& jobs, ProjectLog& log) {
  grpc::ClientContext context;
  v1::WatchJobsRequest request;
  request.set_parent(kProject);
  request.set_after_project_seq(log.last_project_seq);
  const auto stream = jobs.WatchJobs(&context, request);
  v1::JobEvent event;
  while (stream->Read(&event)) {
    if (event.seq() > 0) books.TakeProjectEvent(event, log);
  }
  stream->Finish();
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/books.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pivot {
namespace {

constexpr std::array<std::pair<v1::State, v1::State>, 20> kLegal = {{
    {v1::STATE_UNSPECIFIED, v1::STATE_QUEUED},   {v1::STATE_QUEUED, v1::STATE_RUNNING},
    {v1::STATE_QUEUED, v1::STATE_SUSPENDED},     {v1::STATE_QUEUED, v1::STATE_CANCELLED},
    {v1::STATE_QUEUED, v1::STATE_FAILED},        {v1::STATE_RUNNING, v1::STATE_QUEUED},
    {v1::STATE_RUNNING, v1::STATE_SUCCEEDED},    {v1::STATE_RUNNING, v1::STATE_FAILED},
    {v1::STATE_RUNNING, v1::STATE_CANCELLING},   {v1::STATE_RUNNING, v1::STATE_SUSPENDING},
    {v1::STATE_CANCELLING, v1::STATE_CANCELLED}, {v1::STATE_CANCELLING, v1::STATE_SUCCEEDED},
    {v1::STATE_SUSPENDING, v1::STATE_SUSPENDED}, {v1::STATE_SUSPENDING, v1::STATE_SUCCEEDED},
    {v1::STATE_SUSPENDING, v1::STATE_FAILED},    {v1::STATE_SUSPENDING, v1::STATE_CANCELLING},
    {v1::STATE_SUSPENDED, v1::STATE_QUEUED},     {v1::STATE_SUSPENDED, v1::STATE_CANCELLED},
    {v1::STATE_FAILED, v1::STATE_QUEUED},        {v1::STATE_CANCELLED, v1::STATE_QUEUED},
}};

std::string Describe(const BookedJob& booked) {
  return absl::StrCat(booked.name.empty() ? "a job not seen yet" : booked.name, " (request ",
                      booked.request.request_id(), ")");
}

v1::State StateAfterSeq(const BookedJob& booked, uint64_t seq) {
  return seq == 0 ? v1::STATE_UNSPECIFIED : booked.states[seq - 1];
}

/// As it was stored; what a watcher of all jobs gets has one number more.
std::string Stored(v1::JobEvent event) {
  event.clear_project_seq();
  return event.SerializeAsString();
}

void AddEvent(BookedJob& booked, const v1::JobEvent& event, std::string stored) {
  v1::State state = StateAfterSeq(booked, booked.events.size());
  if (event.has_state_changed()) {
    const v1::StateChanged& change = event.state_changed();
    EXPECT_EQ(change.from(), state) << Describe(booked) << " at seq " << event.seq();
    EXPECT_TRUE(IsLegal(change.from(), change.to())) << Describe(booked) << ": " << change.ShortDebugString();
    state = change.to();
  }
  if (event.has_checkpoint_published()) {
    const v1::CheckpointRef& checkpoint = event.checkpoint_published().checkpoint();
    EXPECT_TRUE(booked.checkpoints.emplace(checkpoint.number(), checkpoint).second)
        << Describe(booked) << " published " << checkpoint.number() << " twice";
  }
  booked.events.push_back(std::move(stored));
  booked.states.push_back(state);
}

/// Either new, and the next one, or the same as before.
void CompareOrAdd(BookedJob& booked, const v1::JobEvent& event) {
  std::string stored = Stored(event);
  if (event.seq() <= booked.events.size()) {
    EXPECT_EQ(stored, booked.events[event.seq() - 1]) << Describe(booked) << ": event " << event.seq() << " changed";
  } else if (event.seq() == booked.events.size() + 1) {
    AddEvent(booked, event, std::move(stored));
  } else {
    ADD_FAILURE() << Describe(booked) << ": event " << event.seq() << " came after " << booked.events.size();
  }
}

}  // namespace

bool IsLegal(v1::State from, v1::State to) {
  for (const auto& legal : kLegal) {
    if (legal == std::pair(from, to)) return true;
  }
  return false;
}

BookedJob& Books::Add(v1::CreateJobRequest request) {
  const std::lock_guard lock(mutex_);
  BookedJob& booked = jobs_.emplace_back();
  (*request.mutable_job()->mutable_labels())[kRequestLabel] = request.request_id();
  booked.may_vanish = request.job().spec().has_ttl();
  booked.request = std::move(request);
  by_request_[booked.request.request_id()] = &booked;
  return booked;
}

void Books::TakeAnswer(BookedJob& booked, const v1::Job& job) {
  const std::lock_guard lock(mutex_);
  TakeAnswerLocked(booked, job);
}

void Books::TakeAnswerLocked(BookedJob& booked, const v1::Job& job) {
  EXPECT_FALSE(booked.gone) << Describe(booked) << " is there again";
  if (booked.name.empty()) {
    booked.name = job.name();
    booked.uid = job.uid();
    by_name_[booked.name] = &booked;
  }
  EXPECT_EQ(job.uid(), booked.uid) << Describe(booked) << ": the same request made " << job.name() << " too";
  EXPECT_GE(job.last_seq(), booked.answered_seq) << Describe(booked) << " forgot events";
  if (job.last_seq() == booked.answered_seq) {
    EXPECT_EQ(job.state(), booked.answered_state) << Describe(booked) << " changed without an event";
  }
  booked.answered_seq = job.last_seq();
  booked.answered_state = job.state();
}

uint64_t Books::TakeEvent(BookedJob& booked, const v1::JobEvent& event, uint64_t last_seq) {
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(event.seq(), last_seq + 1) << Describe(booked) << ": a gap, or out of order";
  CompareOrAdd(booked, event);
  return event.seq();
}

void Books::TakeProjectEvent(const v1::JobEvent& event, ProjectLog& log) {
  const std::lock_guard lock(mutex_);
  EXPECT_GT(event.project_seq(), log.last_project_seq) << event.ShortDebugString();
  log.last_project_seq = event.project_seq();
  std::vector<std::string>& told = log.events[event.job()];
  EXPECT_EQ(event.seq(), told.size() + 1) << event.job() << ": a gap, or out of order";
  told.push_back(Stored(event));
  const BookedJob* booked = FindByName(event.job());
  if (booked != nullptr && event.seq() <= booked->events.size()) {
    EXPECT_EQ(told.back(), booked->events[event.seq() - 1]) << event.job() << ": event " << event.seq() << " changed";
  }
}

void Books::CheckProjectLog(const ProjectLog& log) {
  const std::lock_guard lock(mutex_);
  for (const BookedJob& booked : jobs_) {
    if (booked.name.empty() || booked.gone) continue;
    const auto told = log.events.find(booked.name);
    EXPECT_TRUE(told != log.events.end() && told->second == booked.events) << Describe(booked);
  }
}

std::optional<WatchPlan> Books::ChooseWatch(std::mt19937_64& random) {
  const std::lock_guard lock(mutex_);
  // The newest ones: most of those before have ended.
  constexpr size_t kNewest = 64;
  if (jobs_.empty()) return std::nullopt;
  BookedJob& booked = jobs_[jobs_.size() - 1 - random() % std::min(kNewest, jobs_.size())];
  if (booked.name.empty() || booked.gone) return std::nullopt;
  return WatchPlan{&booked, booked.name, random() % (booked.events.size() + 1)};
}

void Books::MarkDeleteAsked(BookedJob& booked) {
  const std::lock_guard lock(mutex_);
  booked.delete_asked = true;
}

void Books::MarkGone(BookedJob& booked) {
  const std::lock_guard lock(mutex_);
  EXPECT_TRUE(booked.delete_asked || booked.may_vanish) << Describe(booked) << " is lost";
  booked.gone = true;
}

BookedJob* Books::FindByName(absl::string_view name) {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

BookedJob* Books::Find(const v1::Job& job) {
  const auto label = job.labels().find(kRequestLabel);
  if (label == job.labels().end()) return FindByName(job.name());
  const auto found = by_request_.find(label->second);
  return found == by_request_.end() ? nullptr : found->second;
}

void Books::CheckList(const std::vector<v1::Job>& jobs) {
  const std::lock_guard lock(mutex_);
  std::set<const BookedJob*> seen;
  for (const v1::Job& job : jobs) {
    BookedJob* const booked = Find(job);
    if (booked == nullptr) {
      ADD_FAILURE() << "nobody asked for " << job.name();
      continue;
    }
    EXPECT_TRUE(seen.insert(booked).second) << Describe(*booked) << " is there twice";
    TakeAnswerLocked(*booked, job);
  }
  for (BookedJob& booked : jobs_) {
    if (booked.name.empty() || booked.gone || seen.contains(&booked)) continue;
    EXPECT_TRUE(booked.delete_asked || booked.may_vanish) << Describe(booked) << " is lost";
    booked.gone = true;
  }
}

void Books::CheckEventsOf(const BookedJob& booked) {
  const std::lock_guard lock(mutex_);
  if (booked.gone) return;
  ASSERT_GE(booked.events.size(), booked.answered_seq) << Describe(booked) << ": events are missing";
  EXPECT_EQ(StateAfterSeq(booked, booked.answered_seq), booked.answered_state) << Describe(booked);
}

uint64_t Books::NumEvents(const BookedJob& booked) {
  const std::lock_guard lock(mutex_);
  return booked.events.size();
}

std::vector<BookedJob*> Books::Jobs() {
  const std::lock_guard lock(mutex_);
  std::vector<BookedJob*> jobs;
  for (BookedJob& booked : jobs_) jobs.push_back(&booked);
  return jobs;
}

std::string Books::Summary() {
  const std::lock_guard lock(mutex_);
  size_t seen = 0;
  size_t events = 0;
  size_t checkpoints = 0;
  size_t gone = 0;
  for (const BookedJob& booked : jobs_) {
    seen += booked.name.empty() ? 0 : 1;
    events += booked.events.size();
    checkpoints += booked.checkpoints.size();
    gone += booked.gone ? 1 : 0;
  }
  return absl::StrCat(seen, " jobs, ", events, " events, ", checkpoints, " checkpoints, ", gone, " deleted");
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/checker.h"

#include <algorithm>
#include <chrono>
#include <grpcpp/grpcpp.h>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "proto/files/manifest.h"
#include "proto/files/sha256.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/torture/tortured_server.h"

namespace pivot {
namespace {

constexpr auto kCallTimeout = std::chrono::seconds(60);

void SetTimeout(grpc::ClientContext& context) { context.set_deadline(std::chrono::system_clock::now() + kCallTimeout); }

std::string ReadPublished(v1::Checkpoints::Stub& checkpoints, const std::string& name, const std::string& path) {
  grpc::ClientContext context;
  SetTimeout(context);
  v1::ReadFileRequest request;
  request.set_checkpoint(name);
  request.set_path(path);
  const auto stream = checkpoints.ReadFile(&context, request);
  std::string bytes;
  v1::ReadFileResponse chunk;
  while (stream->Read(&chunk)) bytes += chunk.data();
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << name << "/" << path << ": " << status.error_message();
  return bytes;
}

/// Nothing changes any more by itself.
bool IsAtRest(const std::vector<v1::Job>& jobs) {
  return std::all_of(jobs.begin(), jobs.end(), [](const v1::Job& job) {
    const bool has_ended =
        job.state() == v1::STATE_SUCCEEDED || job.state() == v1::STATE_FAILED || job.state() == v1::STATE_CANCELLED;
    return (has_ended || job.state() == v1::STATE_SUSPENDED) && !job.has_expire_time();
  });
}

}  // namespace

std::vector<v1::Job> ListAll(v1::Jobs::Stub& jobs) {
  std::vector<v1::Job> all;
  v1::ListJobsRequest request;
  request.set_parent(kProject);
  request.set_page_size(1000);
  request.set_order_by("create_time");
  do {
    grpc::ClientContext context;
    SetTimeout(context);
    v1::ListJobsResponse page;
    const grpc::Status status = jobs.ListJobs(&context, request, &page);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (!status.ok()) break;
    all.insert(all.end(), page.jobs().begin(), page.jobs().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

void Checker::Check(v1::Jobs::Stub& jobs, v1::Checkpoints::Stub& checkpoints) {
  const std::vector<v1::Job> listed = ListAll(jobs);
  books_.CheckList(listed);
  std::map<std::string, const v1::Job*> by_name;
  for (const v1::Job& job : listed) by_name[job.name()] = &job;
  for (BookedJob* booked : books_.Jobs()) {
    const auto job = by_name.find(booked->name);
    if (booked->gone || job == by_name.end()) continue;
    ReadEvents(jobs, *booked, job->second->last_seq());
    if (booked->gone) continue;
    books_.CheckEventsOf(*booked);
    ReadCheckpoints(checkpoints, *booked, *job->second);
  }
}

void Checker::CheckAll(v1::Jobs::Stub& jobs, v1::Checkpoints::Stub& checkpoints) {
  EXPECT_TRUE(Eventually([&] { return IsAtRest(ListAll(jobs)); })) << "jobs do not come to an end";
  read_.clear();
  Check(jobs, checkpoints);
  std::map<std::string, size_t> missing;
  for (const BookedJob* booked : books_.Jobs()) {
    if (!booked->gone && !booked->events.empty()) missing[booked->name] = booked->events.size();
  }
  grpc::ClientContext context;
  SetTimeout(context);
  v1::WatchJobsRequest request;
  request.set_parent(kProject);
  const auto stream = jobs.WatchJobs(&context, request);
  ProjectLog log;
  v1::JobEvent event;
  while (!missing.empty() && stream->Read(&event)) {
    if (event.seq() == 0) continue;
    books_.TakeProjectEvent(event, log);
    const auto found = missing.find(event.job());
    if (found != missing.end() && --found->second == 0) missing.erase(found);
  }
  context.TryCancel();
  books_.CheckProjectLog(log);
}

void Checker::ReadEvents(v1::Jobs::Stub& jobs, BookedJob& booked, uint64_t last_seq) {
  uint64_t seq = books_.NumEvents(booked);
  if (seq >= last_seq) return;
  grpc::ClientContext context;
  SetTimeout(context);
  v1::WatchJobRequest request;
  request.set_name(booked.name);
  request.set_after_seq(seq);
  const auto stream = jobs.WatchJob(&context, request);
  v1::JobEvent event;
  while (seq < last_seq && stream->Read(&event)) {
    if (event.seq() > 0) seq = books_.TakeEvent(booked, event, seq);
  }
  if (seq >= last_seq) {
    context.TryCancel();
    return;
  }
  const grpc::Status status = stream->Finish();
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
    books_.MarkGone(booked);
    return;
  }
  ADD_FAILURE() << booked.name << ": the stream ended after " << seq << " of " << last_seq << ": "
                << status.error_message();
}

void Checker::ReadCheckpoints(v1::Checkpoints::Stub& checkpoints, BookedJob& booked, const v1::Job& job) {
  for (const v1::CheckpointRef& ref : job.checkpoints()) {
    const auto told = booked.checkpoints.find(ref.number());
    EXPECT_TRUE(told != booked.checkpoints.end() && told->second.manifest_sha256() == ref.manifest_sha256())
        << ref.name() << " is not what its event said";
    if (booked.may_vanish || read_.contains(ref.name())) continue;
    read_.insert(ref.name());
    grpc::ClientContext context;
    SetTimeout(context);
    v1::GetManifestRequest request;
    request.set_name(ref.name());
    v1::Manifest manifest;
    const grpc::Status status = checkpoints.GetManifest(&context, request, &manifest);
    ASSERT_TRUE(status.ok()) << ref.name() << ": " << status.error_message();
    EXPECT_EQ(Sha256Of(manifest.json()), ref.manifest_sha256()) << ref.name();
    const auto parsed = ManifestFromJson(manifest.json());
    ASSERT_TRUE(parsed.ok()) << ref.name() << ": " << parsed.status();
    EXPECT_FALSE(parsed->files.empty());
    for (const ManifestFile& file : parsed->files) {
      EXPECT_EQ(Sha256Of(ReadPublished(checkpoints, ref.name(), file.path)), file.sha256) << ref.name() << file.path;
    }
  }
}

}  // namespace pivot

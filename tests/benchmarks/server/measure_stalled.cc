// SPDX-License-Identifier: Apache-2.0
// Downloads and watches that are opened and never read.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "pivot/v1/checkpoints.grpc.pb.h"

#include "proto/status/status_macros.h"
#include "server/unused_memory.h"
#include "tests/benchmarks/server/job_calls.h"
#include "tests/benchmarks/server/measures.h"

namespace pivot {
namespace {

constexpr size_t kStreamsOfAConnection = 100;
constexpr double kMegabyte = 1e6;
constexpr auto kSettle = std::chrono::seconds(3);
constexpr int kFreedWithinSeconds = 60;

// The first job publishes 16 MB; the second keeps the device.
constexpr char kScript[] = R"([
  {"heartbeat": "working"},
  {"pivot": {"files": {"config.json": "{\"model_type\": \"llama\"}", "model.safetensors": 16000000}}},
  {"send": "Done", "payload": {}}])";

/// Streams whose messages nobody takes.
class Stalled {
 public:
  Stalled(const ServedPivotd& served, const std::string& job, int streams) {
    for (int i = 0; i < streams; ++i) {
      if (static_cast<size_t>(i) % kStreamsOfAConnection == 0) channels_.push_back(served.Connect());
      contexts_.push_back(std::make_unique<grpc::ClientContext>());
      v1::ReadFileRequest file;
      file.set_checkpoint(job + "/checkpoints/0");
      file.set_path("model.safetensors");
      downloads_.push_back(v1::Checkpoints::NewStub(channels_.back())->ReadFile(contexts_.back().get(), file));
      contexts_.push_back(std::make_unique<grpc::ClientContext>());
      v1::WatchJobRequest watch;
      watch.set_name(job);
      watches_.push_back(v1::Jobs::NewStub(channels_.back())->WatchJob(contexts_.back().get(), watch));
    }
  }
  Stalled(const Stalled&) = delete;
  Stalled& operator=(const Stalled&) = delete;
  ~Stalled() {
    for (const auto& context : contexts_) context->TryCancel();
    for (const auto& download : downloads_) download->Finish();
    for (const auto& watch : watches_) watch->Finish();
  }

 private:
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::ReadFileResponse>>> downloads_;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::JobEvent>>> watches_;
};

absl::StatusOr<double> CreateP99(const Bench& bench, const JobsStub& stub) {
  const BeginCall create = CallOf<v1::CreateJobRequest, v1::Job>(
      &v1::Jobs::Stub::async::CreateJob, stub, [&](int /*index*/) { return JobRequest(bench.model); });
  PIVOT_ASSIGN_OR_RETURN(const LoadResult result,
                         CallAtRate(create, bench.scale.creates_a_second, bench.scale.creates_at_rate / 6));
  return result.latencies->Milliseconds(0.99);
}

/// Seconds until most of what had grown is free again, of `held` when the streams ended, but for what a server keeps;
/// -1: it never is. Events and plans of jobs that were made meanwhile are not the streams'.
double AwaitFreed(const ServedPivotd& served, int64_t held, int64_t grown) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kFreedWithinSeconds * 10; ++i) {
    const double seconds = absl::ToDoubleSeconds(absl::FromChrono(std::chrono::steady_clock::now() - begin));
    if (served.resident_bytes() <= held - std::min(grown / 4 * 3, grown - kKeptUnusedBytes)) return seconds;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return -1;
}

}  // namespace

absl::Status MeasureStalled(const Bench& bench) {
  ServedPivotd::Options options = bench.OptionsFor("stalled");
  options.worker_script = bench.folder + "/publish.json";
  std::ofstream(options.worker_script) << kScript;
  PIVOT_ASSIGN_OR_RETURN(const auto served, ServedPivotd::Start(options));
  const JobsStub stub = v1::Jobs::NewStub(served->Connect());
  PIVOT_ASSIGN_OR_RETURN(const v1::Job published, Create(*stub, JobRequest(bench.model)));
  PIVOT_RETURN_IF_ERROR(AwaitState(*stub, published.name(), v1::STATE_SUCCEEDED));
  std::ofstream(options.worker_script) << kHangScript;
  PIVOT_ASSIGN_OR_RETURN(const double p99_before, CreateP99(bench, stub));
  const int64_t before = served->resident_bytes();
  auto stalled = std::make_unique<Stalled>(*served, published.name(), bench.scale.stalled_streams);
  std::this_thread::sleep_for(kSettle);
  const int64_t grown = served->resident_bytes() - before;
  PIVOT_ASSIGN_OR_RETURN(const double p99, CreateP99(bench, stub));
  const int64_t held = served->resident_bytes();
  stalled.reset();
  Figures& figures = *bench.figures;
  figures.Add({.name = "stalled.memory",
               .value = static_cast<double>(grown) / kMegabyte,
               .unit = "MB",
               .at_most = bench.Bar(256)});
  figures.Add({.name = "stalled.create_job.p99.before", .value = p99_before, .unit = "ms"});
  figures.Add({.name = "stalled.create_job.p99", .value = p99, .unit = "ms", .at_most = bench.Bar(2 * p99_before)});
  figures.Add({.name = "stalled.freed", .value = AwaitFreed(*served, held, grown), .unit = "s", .at_least = 0});
  return absl::OkStatus();
}

}  // namespace pivot

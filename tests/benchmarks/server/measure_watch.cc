// SPDX-License-Identifier: Apache-2.0
// From the time in an event, which is before its commit, to one, a thousand and ten thousand watchers.
#include <chrono>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"
#include "tests/benchmarks/server/job_calls.h"
#include "tests/benchmarks/server/machine_rates.h"
#include "tests/benchmarks/server/measures.h"
#include "tests/benchmarks/server/watchers.h"

namespace pivot {
namespace {

// The disk, in the same minute.
constexpr double kCommitsASecond = 100;
constexpr int kCommits = 300;

struct Crowd {
  int watchers;
  int events;
  std::chrono::milliseconds interval;
  double bar_ms;
};

constexpr Crowd kCrowds[] = {
    {1, 400, std::chrono::milliseconds(10), 5},
    {1000, 20, std::chrono::milliseconds(500), 50},
    {10000, 10, std::chrono::milliseconds(1000), 1000},
};

constexpr auto kSettle = std::chrono::seconds(1);
// The server looks every ten seconds whether it has memory to give back.
constexpr auto kMemorySettle = std::chrono::seconds(12);

/// A waiting job is suspended and resumed by turns: an event each.
absl::Status MakeEvents(const Crowd& crowd, v1::Jobs::Stub& stub, const std::string& job, Watchers& watchers) {
  auto next = std::chrono::steady_clock::now();
  for (int i = 0; i < crowd.events; ++i) {
    std::this_thread::sleep_until(next);
    next = std::chrono::steady_clock::now() + crowd.interval;
    PIVOT_RETURN_IF_ERROR(i % 2 == 0 ? Suspend(stub, job) : Resume(stub, job));
    PIVOT_RETURN_IF_ERROR(watchers.AwaitEvents(1));
  }
  return absl::OkStatus();
}

absl::Status MeasureCrowd(const Bench& bench, const Crowd& crowd) {
  const std::string name = absl::StrCat("watch.", crowd.watchers);
  const std::string commit = absl::StrCat("machine.commit.", name);
  PIVOT_RETURN_IF_ERROR(MeasureCommits(commit, bench.folder, kCommitsASecond, kCommits, *bench.figures));
  ServedPivotd::Options options = bench.OptionsFor(name);
  options.worker_script = bench.folder + "/hang.json";
  std::ofstream(options.worker_script) << kHangScript;
  PIVOT_ASSIGN_OR_RETURN(const auto served, ServedPivotd::Start(options));
  const JobsStub stub = v1::Jobs::NewStub(served->Connect());
  PIVOT_ASSIGN_OR_RETURN(const v1::Job holder, Create(*stub, JobRequest(bench.model)));
  PIVOT_RETURN_IF_ERROR(AwaitState(*stub, holder.name(), v1::STATE_RUNNING));
  PIVOT_ASSIGN_OR_RETURN(const v1::Job job, Create(*stub, JobRequest(bench.model)));
  const int64_t before = served->resident_bytes();
  Watchers watchers(*served);
  const auto begin = std::chrono::steady_clock::now();
  PIVOT_RETURN_IF_ERROR(watchers.Open(job.name(), crowd.watchers));
  const absl::Duration opening = absl::FromChrono(std::chrono::steady_clock::now() - begin);
  std::this_thread::sleep_for(kSettle);
  const absl::Duration used_before = served->processor_time();
  PIVOT_RETURN_IF_ERROR(MakeEvents(crowd, *stub, job.name(), watchers));
  const absl::Duration used = served->processor_time() - used_before;
  Figures& figures = *bench.figures;
  figures.Add({.name = name + ".p50", .value = watchers.latencies().Milliseconds(0.5), .unit = "ms"});
  figures.Add({.name = name + ".p99",
               .value = watchers.latencies().Milliseconds(0.99),
               .unit = "ms",
               .at_most = bench.BarBesideDisk(crowd.bar_ms, commit + ".p99")});
  if (crowd.watchers == 1) return absl::OkStatus();
  figures.Add({.name = name + ".opening", .value = absl::ToDoubleMilliseconds(opening), .unit = "ms"});
  figures.Add({.name = name + ".processor",
               .value = absl::ToDoubleMicroseconds(used) / crowd.watchers / crowd.events,
               .unit = "us"});
  std::this_thread::sleep_for(kMemorySettle);
  figures.Add({.name = name + ".memory_each",
               .value = static_cast<double>(served->resident_bytes() - before) / crowd.watchers / 1000,
               .unit = "kB",
               .at_most = bench.Bar(20)});
  return absl::OkStatus();
}

}  // namespace

absl::Status MeasureWatch(const Bench& bench) {
  for (const Crowd& crowd : kCrowds) {
    if (crowd.watchers <= bench.scale.most_watchers) PIVOT_RETURN_IF_ERROR(MeasureCrowd(bench, crowd));
  }
  return absl::OkStatus();
}

}  // namespace pivot

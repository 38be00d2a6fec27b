// SPDX-License-Identifier: Apache-2.0
// CreateJob: how long it takes at a steady rate, and how many go through.
#include <algorithm>
#include <fstream>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"
#include "tests/benchmarks/server/job_calls.h"
#include "tests/benchmarks/server/machine_rates.h"
#include "tests/benchmarks/server/measures.h"

namespace pivot {
namespace {

constexpr int kDepth = 32;
constexpr double kSubmitsASecond = 1000;

// The bar counts on a disk that commits so often a second.
constexpr double kCommitsASecond = 4000;

absl::Status AtRate(const Bench& bench, const BeginCall& create) {
  const Scale& scale = bench.scale;
  Figures& figures = *bench.figures;
  PIVOT_RETURN_IF_ERROR(MeasureCommits("machine.commit.at_rate", bench.folder, scale.creates_a_second,
                                       scale.creates_at_rate / 3, figures));
  PIVOT_ASSIGN_OR_RETURN(const LoadResult result, CallAtRate(create, scale.creates_a_second, scale.creates_at_rate));
  bench.figures->Add({.name = "create_job.at_rate.refused", .value = 1.0 * result.refused, .unit = "", .at_most = 0});
  bench.figures->Add({.name = "create_job.at_rate.p50",
                      .value = result.latencies->Milliseconds(0.5),
                      .unit = "ms",
                      .at_most = bench.BarBesideDisk(2, "machine.commit.at_rate.p50")});
  bench.figures->Add({.name = "create_job.at_rate.p99",
                      .value = result.latencies->Milliseconds(0.99),
                      .unit = "ms",
                      .at_most = bench.BarBesideDisk(10, "machine.commit.at_rate.p99")});
  return absl::OkStatus();
}

absl::Status AtDepth(const Bench& bench, const BeginCall& create, const ServedPivotd& served) {
  PIVOT_RETURN_IF_ERROR(MeasureDisk(bench.folder, bench.scale.machine_calls, *bench.figures));
  const double commits = bench.figures->Value("machine.commit.rate");
  const absl::Duration before = served.processor_time();
  PIVOT_ASSIGN_OR_RETURN(const LoadResult result, CallAtDepth(create, kDepth, bench.scale.creates_at_depth));
  const absl::Duration used = served.processor_time() - before;
  bench.figures->Add({.name = "create_job.sustained",
                      .value = result.rate(),
                      .unit = "/s",
                      .at_least = kSubmitsASecond * std::min(1.0, commits / kCommitsASecond) / bench.scale.slack});
  bench.figures->Add({.name = "create_job.sustained.p99", .value = result.latencies->Milliseconds(0.99), .unit = "ms"});
  bench.figures->Add({.name = "create_job.sustained.processor",
                      .value = absl::ToDoubleMilliseconds(used) / bench.scale.creates_at_depth,
                      .unit = "ms"});
  return absl::OkStatus();
}

}  // namespace

absl::Status MeasureCreate(const Bench& bench) {
  for (const bool at_rate : {true, false}) {
    ServedPivotd::Options options = bench.OptionsFor(at_rate ? "create-at-rate" : "create-at-depth");
    options.worker_script = bench.folder + "/hang.json";
    std::ofstream(options.worker_script) << kHangScript;
    PIVOT_ASSIGN_OR_RETURN(const auto served, ServedPivotd::Start(options));
    const JobsStub stub = v1::Jobs::NewStub(served->Connect());
    // It keeps the only device; all others wait.
    PIVOT_ASSIGN_OR_RETURN(const v1::Job first, Create(*stub, JobRequest(bench.model)));
    PIVOT_RETURN_IF_ERROR(AwaitState(*stub, first.name(), v1::STATE_RUNNING));
    const BeginCall create = CallOf<v1::CreateJobRequest, v1::Job>(
        &v1::Jobs::Stub::async::CreateJob, stub, [&](int /*index*/) { return JobRequest(bench.model); });
    PIVOT_RETURN_IF_ERROR(at_rate ? AtRate(bench, create) : AtDepth(bench, create, *served));
  }
  return absl::OkStatus();
}

}  // namespace pivot

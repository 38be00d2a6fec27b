// SPDX-License-Identifier: Apache-2.0
// The machine, an empty server, and one with a long past.
#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <thread>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"
#include "server/process/unique_fd.h"
#include "tests/benchmarks/server/bulk_jobs.h"
#include "tests/benchmarks/server/machine_rates.h"
#include "tests/benchmarks/server/measures.h"

namespace pivot {
namespace {

constexpr int kStarts = 5;
constexpr double kCommitMilliseconds = 0.2;
constexpr double kMebibyte = 1 << 20;
constexpr auto kSettle = std::chrono::seconds(1);

/// Out of the page cache, as after the machine's own start.
void Forget(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return;
  fdatasync(file.get());
  posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
}

double Milliseconds(absl::Duration time) { return absl::ToDoubleMilliseconds(time); }

}  // namespace

ServedPivotd::Options Bench::OptionsFor(const std::string& name) const {
  const std::string place = folder + "/" + name;
  std::filesystem::create_directories(place);
  return {.programs = programs,
          .data = place + "/data",
          .listen = listen.empty() ? absl::StrCat("unix:", place, "/socket") : listen,
          .allow_paths = {std::filesystem::path(model).parent_path().string()}};
}

double Bench::BarBesideDisk(double bar_ms, const std::string& commit) const {
  return Bar(bar_ms + std::max(0.0, figures->Value(commit) - kCommitMilliseconds));
}

absl::Status MeasureMachine(const Bench& bench) {
  PIVOT_RETURN_IF_ERROR(MeasureDisk(bench.folder, bench.scale.machine_calls, *bench.figures));
  PIVOT_ASSIGN_OR_RETURN(const auto served, ServedPivotd::Start(bench.OptionsFor("machine")));
  return MeasureEcho(served->Connect(), bench.scale.machine_calls, *bench.figures);
}

absl::Status MeasureStart(const Bench& bench) {
  Latencies starts;
  for (int i = 0; i < kStarts; ++i) {
    PIVOT_ASSIGN_OR_RETURN(const auto served, ServedPivotd::Start(bench.OptionsFor(absl::StrCat("start-", i))));
    starts.Add(served->start_took());
    if (i + 1 < kStarts) continue;
    std::this_thread::sleep_for(kSettle);
    bench.figures->Add({.name = "start.idle_memory",
                        .value = static_cast<double>(served->resident_bytes()) / kMebibyte,
                        .unit = "MiB",
                        .at_most = 64e6 / kMebibyte});
  }
  bench.figures->Add(
      {.name = "start.empty.p50", .value = starts.Milliseconds(0.5), .unit = "ms", .at_most = bench.Bar(300)});
  return absl::OkStatus();
}

absl::Status MeasureRestart(const Bench& bench) {
  const Scale& scale = bench.scale;
  const ServedPivotd::Options options = bench.OptionsFor("restart");
  PIVOT_RETURN_IF_ERROR(
      FillDatabase(options.data, {.jobs = scale.restart_jobs, .events_each = scale.restart_events_each}));
  const std::string database = options.data + "/pivot.db";
  bench.figures->Add({.name = "restart.database",
                      .value = static_cast<double>(std::filesystem::file_size(database)) / kMebibyte,
                      .unit = "MiB"});
  for (const char* cache : {"cold", "warm"}) {
    if (std::string(cache) == "cold") Forget(database);
    PIVOT_ASSIGN_OR_RETURN(const auto served, ServedPivotd::Start(options));
    bench.figures->Add({.name = absl::StrCat("restart.", cache),
                        .value = Milliseconds(served->start_took()),
                        .unit = "ms",
                        .at_most = bench.Bar(5000)});
  }
  return absl::OkStatus();
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
// How fast the server is, beside what this machine's disk and loopback can do in the same minutes. It starts servers of
// its own and speaks to nobody else.
//
//   server_benchmark --pivotd bin/pivotd [--only create,watch] [--json FILE]    about five minutes
//   server_benchmark --short                                                    about twenty seconds, wide bars
//
// A line for each figure, with its bar where it has one; exit code 1 when one is missed.
#include <algorithm>
#include <cassert>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <grpcpp/grpcpp.h>
#include <iostream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"

#include "tests/benchmarks/server/bulk_jobs.h"
#include "tests/benchmarks/server/call_load.h"
#include "tests/benchmarks/server/machine_rates.h"
#include "tests/benchmarks/server/measures.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

// It must not run for ever, whatever a server does.
constexpr unsigned kMostSeconds = 1500;

struct Measure {
  const char* name;
  absl::Status (*run)(const Bench&);
};

constexpr Measure kMeasures[] = {
    {"machine", MeasureMachine}, {"start", MeasureStart},     {"create", MeasureCreate}, {"list", MeasureList},
    {"watch", MeasureWatch},     {"restart", MeasureRestart}, {"queue", MeasureQueue},   {"stalled", MeasureStalled},
};

constexpr Scale kShort = {.creates_at_rate = 100,
                          .creates_at_depth = 500,
                          .listed_jobs = 5000,
                          .lists = 20,
                          .restart_jobs = 500,
                          .restart_events_each = 20,
                          .queued_jobs = 1000,
                          .most_watchers = 1000,
                          .stalled_streams = 20,
                          .machine_calls = 200,
                          .slack = 20};

struct Options {
  Programs programs{.pivotd = PIVOT_PIVOTD, .probe = PIVOT_FAKE_PROBE, .worker = PIVOT_FAKE_WORKER};
  std::string model;
  std::string listen;
  std::vector<std::string> only;
  std::string json;
  bool is_short = false;
};

std::string CheckLoopback(const std::string& address) {
  return IsLoopback(address) ? "" : address + " can be reached by others; it must be 127.0.0.1:0, [::1]:0 or unix:PATH";
}

void AddOptions(CLI::App& app, Options& options) {
  app.add_option("--pivotd", options.programs.pivotd, "The server to measure")->capture_default_str();
  app.add_option("--probe", options.programs.probe, "pivot-probe (default: one that answers at once)");
  app.add_option("--model", options.model, "Folder for a real pivot-probe (default: one made up)");
  app.add_option("--listen", options.listen, "A loopback address (default: a Unix socket)")->check(CheckLoopback);
  app.add_option("--only", options.only, "machine, start, create, list, watch, restart, queue, stalled")
      ->delimiter(',');
  app.add_option("--json", options.json, "Where the record goes as JSON");
  app.add_flag("--short", options.is_short, "Small numbers and wide bars: whether it works, beside other work");
}

// A source that has just been written is looked at anew for each job.
constexpr auto kSettle = std::chrono::milliseconds(2500);

/// A model that a fake probe answers for with a plan of ordinary size.
std::string MakeModel(const TemporaryFolder& folder) {
  folder.Write("model/config.json", "{}");
  folder.Write("model/fake_probe.json", absl::StrCat(R"({"answer": {"plan": )", LargePlanJson(), "}}"));
  std::this_thread::sleep_for(kSettle);
  return folder / "model";
}

/// gRPC 1.51 ends the threads that call back with the last channel that used them, and sometimes frees their queue
/// twice then: one channel stays.
void KeepCallbackThreads() {
  static const auto* const kept =
      new std::shared_ptr<grpc::Channel>(grpc::CreateChannel("unix:/nowhere", grpc::InsecureChannelCredentials()));
  [[maybe_unused]] const auto refused = CallAtDepth(EchoCall(*kept), 1, 1);
  assert(!refused.ok());
}

int Run(const Options& options) {
  KeepCallbackThreads();
  const TemporaryFolder folder;
  Figures figures;
  const Bench bench{
      .programs = options.programs,
      .folder = folder.path(),
      .model = options.model.empty() ? MakeModel(folder) : std::filesystem::absolute(options.model).string(),
      .listen = options.listen,
      .scale = options.is_short ? kShort : Scale{},
      .figures = &figures};
  for (const Measure& measure : kMeasures) {
    const bool wanted =
        options.only.empty() || std::find(options.only.begin(), options.only.end(), measure.name) != options.only.end();
    if (!wanted) continue;
    if (const absl::Status status = measure.run(bench); !status.ok()) {
      std::cerr << "server_benchmark: " << measure.name << ": " << status.message() << "\n";
      return 1;
    }
  }
  if (!options.json.empty()) std::ofstream(options.json) << figures.Json() << "\n";
  return figures.all_hold() ? 0 : 1;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures a pivotd beside the machine that it runs on.");
  AddOptions(app, options);
  CLI11_PARSE(app, argc, argv);
  alarm(kMostSeconds);
  const int code = Run(options);
  std::cout << std::flush;
  // gRPC's threads may still be letting go of the last calls, which its library does not survive at exit().
  _exit(code);
}

}  // namespace
}  // namespace pivot

int main(int argc, char** argv) { return pivot::Main(argc, argv); }

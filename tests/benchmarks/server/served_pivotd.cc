// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmarks/server/served_pivotd.h"

#include <array>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr int kLifelineFd = 3;
constexpr int kReadyFd = 4;
constexpr int kStartMilliseconds = 120000;
constexpr int kEndMilliseconds = 30000;

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

absl::StatusOr<Pipe> MakePipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return absl::InternalError("no pipe can be made");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// The first line, or what came of it before the end.
std::string FirstLine(int fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  pollfd wait{fd, POLLIN, 0};
  while (!absl::StrContains(text, '\n') && poll(&wait, 1, kStartMilliseconds) == 1) {
    const ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count <= 0) break;
    text.append(buffer.data(), static_cast<size_t>(count));
  }
  return text.substr(0, text.find('\n'));
}

SpawnRequest RequestFor(const ServedPivotd::Options& options) {
  SpawnRequest request{
      .program = options.programs.pivotd,
      .arguments = {"--data", options.data, "--listen", options.listen, "--worker", options.programs.worker, "--probe",
                    options.programs.probe, "--max-queued", absl::StrCat(options.max_queued),
                    "--max-queued-per-project", absl::StrCat(options.max_queued), "--lifeline-fd",
                    absl::StrCat(kLifelineFd), "--ready-fd", absl::StrCat(kReadyFd)},
      .environment = {"PATH=/usr/bin:/bin", absl::StrCat("PIVOT_TORCH_LIB=", PIVOT_FAKE_TORCH_LIB)}};
  for (const std::string& path : options.allow_paths) {
    request.arguments.emplace_back("--allow-path");
    request.arguments.push_back(path);
  }
  if (!options.worker_script.empty()) request.environment.push_back("PIVOT_FAKE_SCRIPT=" + options.worker_script);
  return request;
}

}  // namespace

bool IsLoopback(const std::string& address) {
  return absl::StartsWith(address, "unix:") || absl::StartsWith(address, "127.0.0.1:") ||
         absl::StartsWith(address, "[::1]:");
}

absl::StatusOr<std::unique_ptr<ServedPivotd>> ServedPivotd::Start(const Options& options) {
  if (!IsLoopback(options.listen))
    return absl::InvalidArgumentError(absl::StrCat(options.listen, " is not an address of this machine alone"));
  PIVOT_ASSIGN_OR_RETURN(Pipe ready, MakePipe());
  PIVOT_ASSIGN_OR_RETURN(Pipe lifeline, MakePipe());
  SpawnRequest request = RequestFor(options);
  request.descriptors = {{lifeline.read_end.get(), kLifelineFd}, {ready.write_end.get(), kReadyFd}};
  std::unique_ptr<ServedPivotd> served(new ServedPivotd());
  const auto begin = std::chrono::steady_clock::now();
  PIVOT_ASSIGN_OR_RETURN(served->process_, Spawn(request));
  ready.write_end.Close();
  served->lifeline_ = std::move(lifeline.write_end);
  const std::string line = FirstLine(ready.read_end.get());
  served->start_took_ = absl::FromChrono(std::chrono::steady_clock::now() - begin);
  absl::string_view address = line;
  if (!absl::ConsumePrefix(&address, "ready "))
    return absl::UnavailableError(absl::StrCat(options.programs.pivotd, " did not start"));
  served->address_ = std::string(address);
  return served;
}

ServedPivotd::~ServedPivotd() {
  if (!process_.pidfd.valid()) return;
  kill(process_.pid, SIGTERM);
  pollfd wait{process_.pidfd.get(), POLLIN, 0};
  poll(&wait, 1, kEndMilliseconds);
  Reap(process_);
}

int64_t ServedPivotd::resident_bytes() const {
  std::ifstream statm(absl::StrCat("/proc/", process_.pid, "/statm"));
  int64_t total = 0;
  int64_t resident = 0;
  statm >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

absl::Duration ServedPivotd::processor_time() const {
  std::ifstream stat(absl::StrCat("/proc/", process_.pid, "/stat"));
  std::string text;
  std::getline(stat, text);
  // Behind the name, which may have spaces: state, and the 12th and 13th after it are the ticks.
  const std::vector<std::string> fields = absl::StrSplit(text.substr(text.rfind(')') + 2), ' ');
  if (fields.size() < 13) return absl::ZeroDuration();
  const double ticks = std::stod(fields[11]) + std::stod(fields[12]);
  return absl::Seconds(ticks / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

std::shared_ptr<grpc::Channel> ServedPivotd::Connect() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace pivot

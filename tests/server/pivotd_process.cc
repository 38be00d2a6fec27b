// SPDX-License-Identifier: Apache-2.0
#include "tests/server/pivotd_process.h"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"

#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

constexpr int kLifelineFd = 3;
constexpr int kReadyFd = 4;
constexpr int kEndMilliseconds = 60000;

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Pipe MakePipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

PivotdProcess::PivotdProcess(const Options& options) : text_(memfd_create("output", MFD_CLOEXEC)) {
  Pipe ready = MakePipe();
  Pipe lifeline = MakePipe();
  SpawnRequest request{.program = PIVOT_PIVOTD,
                       .arguments = {"--worker", options.worker, "--probe", PIVOT_FAKE_PROBE, "--lifeline-fd",
                                     std::to_string(kLifelineFd), "--ready-fd", std::to_string(kReadyFd)},
                       .environment = {"PATH=/usr/bin:/bin", std::string("PIVOT_TORCH_LIB=") + PIVOT_FAKE_TORCH_LIB},
                       .descriptors = {{text_.get(), 1},
                                       {text_.get(), 2},
                                       {lifeline.read_end.get(), kLifelineFd},
                                       {ready.write_end.get(), kReadyFd}}};
  request.arguments.insert(request.arguments.end(), options.arguments.begin(), options.arguments.end());
  request.environment.insert(request.environment.end(), options.environment.begin(), options.environment.end());
  if (const char* sanitizer = std::getenv("TSAN_OPTIONS"))
    request.environment.push_back(std::string("TSAN_OPTIONS=") + sanitizer);
  auto process = Spawn(request);
  EXPECT_OK(process);
  if (process.ok()) process_ = *std::move(process);
  ready_ = std::move(ready.read_end);
  lifeline_ = std::move(lifeline.write_end);
}

PivotdProcess::~PivotdProcess() {
  if (!process_.pidfd.valid()) return;
  SignalGroup(process_, SIGKILL);
  Reap(process_);
}

std::vector<std::string> PivotdProcess::AwaitReady() {
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t count = 0; (count = read(ready_.get(), buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<size_t>(count));
  std::vector<std::string> addresses;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    EXPECT_TRUE(absl::ConsumePrefix(&line, "ready ")) << text;
    addresses.emplace_back(line);
  }
  return addresses;
}

void PivotdProcess::Signal(int signal) const { kill(process_.pid, signal); }

ProcessEnd PivotdProcess::AwaitEnd() {
  pollfd wait{process_.pidfd.get(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, kEndMilliseconds), 1) << "it does not end";
  const ProcessEnd end = Reap(process_);
  process_.pidfd.Close();
  struct stat info{};
  fstat(text_.get(), &info);
  output_.resize(static_cast<size_t>(info.st_size));
  EXPECT_EQ(pread(text_.get(), output_.data(), output_.size(), 0), info.st_size);
  return end;
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/tortured_server.h"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <grpcpp/grpcpp.h>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/support/eventually.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;

constexpr int kReconnectMilliseconds = 20;
constexpr int kConnectMilliseconds = 20000;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

std::shared_ptr<grpc::Channel> NewChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMilliseconds);
  // To gRPC this is how long an attempt may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMilliseconds);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMilliseconds);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

TorturedServer::TorturedServer() {
  folder_.Write("model/config.json", "{}");
  fs::create_directories(folder_ / "lib");
  fs::create_symlink(PIVOT_FAKE_NVML, folder_ / "lib/libnvidia-ml.so.1");
}

void TorturedServer::SetScript(const nlohmann::json& script) {
  // A worker that starts now reads the old one or the new one.
  folder_.Write("script.json.part", script.dump());
  fs::rename(folder_ / "script.json.part", folder_ / "script.json");
}

void TorturedServer::Launch(const std::vector<std::string>& environment) {
  PivotdProcess::Options options{.arguments = {"--data", data(), "--allow-path", folder_.path()},
                                 .environment = {absl::StrCat("PIVOT_FAKE_SCRIPT=", folder_ / "script.json"),
                                                 absl::StrCat("LD_LIBRARY_PATH=", folder_ / "lib")}};
  options.environment.insert(options.environment.end(), environment.begin(), environment.end());
  process_ = std::make_unique<PivotdProcess>(options);
}

bool TorturedServer::AwaitReady() {
  if (process_->AwaitReady().empty()) return false;
  const auto channel = NewChannel(address());
  jobs_ = v1::Jobs::NewStub(channel);
  checkpoints_ = v1::Checkpoints::NewStub(channel);
  return true;
}

bool TorturedServer::Start(const std::vector<std::string>& environment) {
  Launch(environment);
  return AwaitReady();
}

ProcessEnd TorturedServer::AwaitEnd() {
  const ProcessEnd end = process_->AwaitEnd();
  output_ = process_->output();
  EXPECT_TRUE(Eventually([&] { return CountWorkersOf(folder_.path()) == 0; })) << "a worker outlived the server";
  return end;
}

void TorturedServer::Kill() {
  process_->Signal(SIGKILL);
  EXPECT_EQ(AwaitEnd().signal, SIGKILL) << output_;
}

std::string TorturedServer::EndAndTell() {
  process_->Signal(SIGKILL);
  AwaitEnd();
  return output_;
}

void TorturedServer::Stop() {
  process_->Signal(SIGTERM);
  const ProcessEnd end = AwaitEnd();
  EXPECT_TRUE(end.exit_code == 0 && end.signal == 0) << end.exit_code << ", signal " << end.signal << "\n" << output_;
}

int CountWorkersOf(const std::string& folder) {
  int count = 0;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) continue;
    std::error_code hidden;
    if (fs::read_symlink(entry->path() / "exe", hidden) == PIVOT_PIVOTD) continue;
    if (absl::StrContains(ReadAll(entry->path() / "environ"), folder)) ++count;
  }
  return count;
}

}  // namespace pivot

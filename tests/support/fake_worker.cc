// SPDX-License-Identifier: Apache-2.0
// pivot-fake-worker: speaks the worker protocol as a script says, in place of pivot-worker. The script is the JSON file
// that PIVOT_FAKE_SCRIPT names; without one, it quantizes two blocks, publishes a small folder and is done. A script is
// a list of steps, each an object; with "attempt": N a step is for that attempt only. Before the first, Hello is sent
// and Start awaited, unless the first step is {"no_hello": true}.
//   {"send": "StageStarted" or a number, "payload": {}}   {"raw": "hex of a datagram"}       {"print": "a line on
//   stderr"}
//   {"print_bytes": how many, in lines of 1,000, on stderr}
//   {"write": "path in staging", "text": "..."}           {"link": "path", "to": "target"}    {"await_file": "/path"}
//   {"pivot": {"files": {"path": "text"}, "quality": {}}} writes and lists the files, sends PivotStaged, waits for the
//   answer
//   {"stage_pivot": {}}                                   only sends PivotStaged for pivot-0
//   {"wait": "Cancel"} for a frame                        {"heartbeat": "working", "steady" or "off"}
//   {"write": "path", "own_pid": true} its process id
//   {"record": "/path"} Start's payload, the environment and the open descriptors, as JSON
//   {"sleep": seconds}  {"hang": true}  {"ignore_sigterm": true}  {"exit": code}  {"signal": number}

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "proto/worker/frame.h"

namespace pivot {
namespace {

/// Without the handler of a sanitizer, which would make it an exit.
void DieOf(int number) {
  std::signal(number, SIG_DFL);
  raise(number);
}

using nlohmann::json;

const std::map<std::string, FrameType> kFrameTypes = {
    {"Start", FrameType::kStart},         {"Cancel", FrameType::kCancel},
    {"Published", FrameType::kPublished}, {"Refused", FrameType::kRefused},
    {"Hello", FrameType::kHello},         {"StageStarted", FrameType::kStageStarted},
    {"Progress", FrameType::kProgress},   {"BlockDone", FrameType::kBlockDone},
    {"StageDone", FrameType::kStageDone}, {"QualityMeasured", FrameType::kQualityMeasured},
    {"Warning", FrameType::kWarning},     {"PivotStaged", FrameType::kPivotStaged},
    {"Heartbeat", FrameType::kHeartbeat}, {"Done", FrameType::kDone},
    {"Error", FrameType::kError},
};

constexpr auto kHeartbeatInterval = std::chrono::milliseconds(20);
constexpr auto kFilePollInterval = std::chrono::milliseconds(5);

const char kDefaultScript[] = R"([
  {"heartbeat": "working"},
  {"send": "StageStarted", "payload": {"stage": "layerwise", "total": 2}},
  {"send": "BlockDone", "payload": {"stage": "layerwise", "block": 0, "total": 2, "seconds": 0.5, "relative_error": 0.01}},
  {"send": "Progress", "payload": {"stage": "layerwise", "done": 1, "total": 2, "detail": "second block"}},
  {"send": "BlockDone", "payload": {"stage": "layerwise", "block": 1, "total": 2, "seconds": 0.5, "relative_error": 0.02}},
  {"send": "StageDone", "payload": {"stage": "layerwise", "seconds": 1.0}},
  {"pivot": {}},
  {"send": "Done", "payload": {}}
])";

FrameType TypeOf(const json& name) {
  return name.is_number() ? static_cast<FrameType>(name.get<int>()) : kFrameTypes.at(name.get<std::string>());
}

[[noreturn]] void Die(const std::string& why) {
  std::cerr << "pivot-fake-worker: " << why << '\n' << std::flush;
  _exit(1);
}

class FakeWorker {
 public:
  void Run() {
    const json script = LoadScript();
    const bool no_hello = !script.empty() && script[0].contains("no_hello");
    if (!no_hello) {
      Send(FrameType::kHello,
           {{"version", "0"}, {"device", "cpu"}, {"device_name", "fake"}, {"threads", 1}, {"pid", getpid()}});
      Await(FrameType::kStart);
    }
    for (const json& step : script) {
      if (!step.contains("attempt") || step["attempt"] == attempt_) Perform(step);
    }
    _exit(0);  // without the heartbeat's thread
  }

 private:
  static json LoadScript() {
    const char* path = std::getenv("PIVOT_FAKE_SCRIPT");
    if (path == nullptr) return json::parse(kDefaultScript);
    std::ifstream file(path);
    json script = json::parse(file, nullptr, /*allow_exceptions=*/false);
    if (!script.is_array()) Die(absl::StrCat(path, " is not a script"));
    return script;
  }

  void Send(FrameType type, const json& payload) {
    const std::lock_guard lock(mutex_);
    if (!socket_.Send(type, payload).ok()) Die("the server is gone");
  }

  /// The next frame of this type; others are left out.
  Frame Await(FrameType type) {
    while (true) {
      auto frame = socket_.Receive(1000);
      if (!frame.ok()) Die(std::string(frame.status().message()));
      if (!frame->has_value()) continue;
      if ((*frame)->type == FrameType::kStart) TakeStart(**frame);
      if ((*frame)->type == type || (type == FrameType::kPublished && (*frame)->type == FrameType::kRefused))
        return **frame;
    }
  }

  void TakeStart(const Frame& frame) {
    staging_ = frame.fd;
    start_ = json::parse(frame.payload);
    attempt_ = start_["attempt"];
    if (staging_ < 0 || fchdir(staging_) != 0) Die("Start came without a folder");
  }

  void Perform(const json& step) {
    if (step.contains("send")) Send(TypeOf(step["send"]), step.value("payload", json::object()));
    if (step.contains("raw")) SendRaw(step["raw"]);
    if (step.contains("print")) std::cerr << step["print"].get<std::string>() << '\n' << std::flush;
    if (step.contains("print_bytes")) PrintBytes(step["print_bytes"]);
    if (step.contains("write")) {
      Write(step["write"], step.contains("own_pid") ? std::to_string(getpid()) : step.value("text", ""));
    }
    if (step.contains("link"))
      std::filesystem::create_symlink(step["to"].get<std::string>(), step["link"].get<std::string>());
    if (step.contains("pivot")) MakePivot(step["pivot"]);
    if (step.contains("stage_pivot")) StagePivot(step["stage_pivot"]);
    if (step.contains("wait")) Await(TypeOf(step["wait"]));
    if (step.contains("await_file")) AwaitFile(step["await_file"]);
    if (step.contains("heartbeat")) SetHeartbeat(step["heartbeat"]);
    if (step.contains("record")) Record(step["record"]);
    if (step.contains("ignore_sigterm")) std::signal(SIGTERM, SIG_IGN);
    if (step.contains("sleep")) std::this_thread::sleep_for(std::chrono::duration<double>(step["sleep"].get<double>()));
    if (step.contains("hang")) Hang();
    if (step.contains("exit")) _exit(step["exit"].get<int>());
    if (step.contains("signal")) DieOf(step["signal"].get<int>());
  }

  static void PrintBytes(int64_t count) {
    constexpr int64_t kLine = 1000;
    for (; count > 0; count -= kLine) {
      std::cerr << std::string(static_cast<size_t>(std::min(count, kLine) - 1), 'x') + '\n';
    }
    std::cerr << std::flush;
  }

  void SendRaw(const std::string& hex) {
    const std::string bytes = absl::HexStringToBytes(hex);
    const std::lock_guard lock(mutex_);
    if (write(kWorkerSocketFd, bytes.data(), bytes.size()) < 0) Die("the server is gone");
  }

  static void Write(const std::string& path, const std::string& text) {
    const auto folder = std::filesystem::path(path).parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder);
    std::ofstream(path, std::ios::binary) << text;
  }

  void MakePivot(const json& pivot) {
    const json files = pivot.value("files", json{{"config.json", "{\"model_type\": \"llama\"}"},
                                                 {"model-00001-of-00001.safetensors", "weights"},
                                                 {"pivot/plan.json", "{}"}});
    json list = json::array();
    std::filesystem::remove_all("pivot-0");
    for (const auto& [path, text] : files.items()) {
      Write("pivot-0/" + path, text.is_number() ? std::string(text.get<size_t>(), 'x') : text.get<std::string>());
      list.push_back({{"path", path}, {"pieces", {0}}});
    }
    Write("pivot-0.files.json", json{{"schema", 1}, {"files", list}}.dump());
    StagePivot(pivot);
  }

  void StagePivot(const json& pivot) {
    json payload{{"number", 0},
                 {"directory", "pivot-0"},
                 {"bits_per_weight", 4.25},
                 {"model_bits_per_weight", 5.5},
                 {"seconds", 1.5},
                 {"source", {{"name", "fake"}, {"digest", "00"}}}};
    for (const auto& [key, value] : pivot.items()) {
      if (key != "files") payload[key] = value;
    }
    Send(FrameType::kPivotStaged, payload);
    if (Await(FrameType::kPublished).type == FrameType::kRefused) _exit(static_cast<int>(WorkerExit::kInputOutput));
  }

  static void AwaitFile(const std::string& path) {
    while (!std::filesystem::exists(path)) std::this_thread::sleep_for(kFilePollInterval);
  }

  void SetHeartbeat(const std::string& mode) {
    heartbeats_ = mode != "off";
    working_ = mode == "working";
    if (heartbeat_.joinable()) return;
    heartbeat_ = std::thread([this] {
      for (int64_t phase = 0;; phase += working_ ? 1 : 0) {
        if (heartbeats_)
          Send(FrameType::kHeartbeat, {{"phase", phase}, {"peak_host_bytes", 1000 + phase}, {"peak_gpu_bytes", 0}});
        std::this_thread::sleep_for(kHeartbeatInterval);
      }
    });
  }

  void Record(const std::string& path) {
    json environment = json::array();
    for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
    json descriptors = json::array();
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      descriptors.push_back(std::stoi(entry.path().filename().string()));
    }
    const json record{{"start", start_}, {"environment", environment}, {"descriptors", descriptors}};
    std::ofstream(path + ".part") << record.dump();
    std::filesystem::rename(path + ".part", path);
  }

  /// Alive, but no more heard of unless a heartbeat runs; ends with the server like any worker.
  void Hang() {
    while (true) {
      auto frame = socket_.Receive(1000);
      if (!frame.ok()) Die("the server is gone");
    }
  }

  WorkerSocket socket_{kWorkerSocketFd};
  std::mutex mutex_;  // for sending
  int staging_ = -1;
  json start_;
  int attempt_ = 0;
  std::atomic<bool> heartbeats_ = false;
  std::atomic<bool> working_ = false;
  std::thread heartbeat_;
};

}  // namespace
}  // namespace pivot

int main() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pivot::FakeWorker().Run();
}

// SPDX-License-Identifier: Apache-2.0
// pivot-fake-probe: answers like pivot-probe without looking at models. A source that exists is fine; a file
// fake_probe.json in it says otherwise: {"answer": {...}}, {"raw": "text"}, {"hang": true}, {"signal": 11}, {"exit":
// 3}, {"flood": bytes},
// {"record": "/path"} (the request). PIVOT_FAKE_PROBE=broken: --capabilities fails.

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <sys/prctl.h>
#include <unistd.h>

#include "nlohmann/json.hpp"

namespace {

/// Without the handler of a sanitizer, which would make it an exit.
void DieOf(int number) {
  std::signal(number, SIG_DFL);
  raise(number);
}

using nlohmann::json;

const char kCapabilities[] =
    R"({"architectures":["llama","qwen2"],"methods":["gptq","rtn"],"formats":["compressed-tensors"],"bits":[2,3,4,5,6,7,8],"group_sizes":[128,64,32]})";

const char kPlan[] = R"({"plan": {
  "status": "estimated", "architecture": "llama", "num_blocks": 2, "group_size": 128, "total_bytes": 1000, "disk_bytes": 3000,
  "bits_per_weight": 4.25, "model_bits_per_weight": 5.5, "source_bytes": 4000, "source_digest": "00", "peak_host_bytes": 1000000,
  "modules": [{"name": "model.layers.0.self_attn.q_proj", "bits": 4, "group_size": 128, "method": "gptq", "bytes": 500}]}})";

std::string TaskOf(const json& spec) {
  for (const char* task : {"compress", "evaluate", "generate"}) {
    if (spec.contains(task)) return task;
  }
  return "";
}

json Fault(const char* code, const char* reason, const std::string& message) {
  return {{"error", {{"code", code}, {"reason", reason}, {"message", message}}}};
}

int Misbehave(const json& orders, const json& request) {
  if (orders.contains("record")) std::ofstream(orders["record"].get<std::string>()) << request.dump();
  if (orders.contains("flood")) std::cout << std::string(orders["flood"].get<size_t>(), 'x') << std::flush;
  if (orders.contains("signal")) DieOf(orders["signal"].get<int>());
  if (orders.contains("hang")) {
    while (true) pause();
  }
  if (orders.contains("raw")) std::cout << orders["raw"].get<std::string>();
  if (orders.contains("answer")) std::cout << orders["answer"].dump();
  if (orders.contains("exit")) std::cerr << "about to fail\n";
  return orders.value("exit", 0);
}

int Main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc == 2 && std::string(argv[1]) == "--capabilities") {
    const char* mode = std::getenv("PIVOT_FAKE_PROBE");
    if (mode != nullptr && std::string(mode) == "broken") return 1;
    std::cout << kCapabilities;
    return 0;
  }
  const std::string text{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  const json request = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const json spec = request.is_object() ? request.value("spec", json::object()) : json::object();
  const std::string task = TaskOf(spec);
  if (task.empty()) {
    std::cout << Fault("INVALID_ARGUMENT", "INVALID_SPEC", "no task");
    return 0;
  }
  const std::string source = spec[task]["source"]["path"];
  if (std::ifstream orders(source + "/fake_probe.json"); orders) return Misbehave(json::parse(orders), request);
  if (!std::filesystem::is_directory(source)) {
    std::cout << Fault("INVALID_ARGUMENT", "MALFORMED_SOURCE", source + " is not a folder");
  } else {
    std::cout << (task == "compress" ? kPlan : "{}");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return Main(argc, argv); }

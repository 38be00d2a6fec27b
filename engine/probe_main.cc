// SPDX-License-Identifier: Apache-2.0
// pivot-probe: looks at a model folder for a program that should not open it itself. Reads one JSON request on stdin
// and writes one JSON answer on stdout:
//   {"spec": JobSpec, "gpus": [{"name", "memory_bytes"}]}  ->  {"plan": Plan} for compress, {} for the other tasks
//   {"inspect": "/path"}                                   ->  {"inspect": {...}}
//   {"verify": "/path", "target_tp": ranks}                ->  {"verify": {"problems": [...], "warnings": [...]}}
// and {"error": {"code", "reason", "message", "field"}} when it is refused. With --capabilities it says what can be
// done and reads nothing.

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <string>
#include <sys/prctl.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/format/checkpoint_folder.h"
#include "engine/format/loader_rules.h"
#include "engine/model/folder_tokenizer.h"
#include "engine/model/found_model.h"
#include "engine/model/json.h"
#include "engine/model/mapped_changes.h"
#include "engine/model/model_subfolders.h"
#include "engine/plan/conversion.h"
#include "engine/plan/plan.h"
#include "proto/files/manifest.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr int64_t kMaxRanks = 1024;

json Capabilities() {
  json architectures = json::array();
  for (const Architecture& architecture : Architectures())
    architectures.push_back(std::string(architecture.model_type));
  return {{"architectures", architectures},
          {"methods", {std::string(MethodName(Method::kGptq)), std::string(MethodName(Method::kRtn))}},
          {"formats",
           {"compressed-tensors", "gptq", "gptq_v2", "bf16", "both", "gguf", "fp8", "nvfp4", "mxfp4", "mixed_gptq"}},
          {"bits", {2, 3, 4, 5, 6, 7, 8}},
          {"group_sizes", {128, 64, 32}}};
}

/// A tokenizer is needed wherever text is read.
absl::Status CheckTokenizer(const std::string& path) { return LoadTokenizer(path).status(); }

DeviceKind KindOf(const json& spec, const json& gpus) {
  const std::string device = spec.value("device", json("auto")).is_string() ? spec.value("device", "auto") : "auto";
  if (absl::StartsWith(device, "cuda")) return DeviceKind::kCuda;
  return device != "cpu" && !gpus.empty() ? DeviceKind::kCuda : DeviceKind::kCpu;
}

/// What each GPU would be asked for. Adds to the plan's host memory what the smallest of them that can do it leaves
/// there.
void AddGpuFits(const ModelFolder& source, const CompressSpec& spec, const json& gpus, json& plan) {
  int64_t spilled_bytes = 0;
  for (const json& gpu : gpus) {
    JsonFields fields(gpu, "gpus");
    const int64_t available = fields.OptionalInteger("memory_bytes").value_or(0);
    const ActivationPlacement placement = PlaceActivations(source.config(), spec, available);
    const bool fits = placement.gpu_bytes <= available;
    if (fits) spilled_bytes = std::max(spilled_bytes, placement.host_bytes);
    plan["devices"].push_back({{"device", fields.OptionalText("name").value_or("cuda")},
                               {"fits", fits},
                               {"needed_bytes", placement.gpu_bytes},
                               {"available_bytes", available}});
  }
  plan["peak_host_bytes"] = plan["peak_host_bytes"].get<int64_t>() + spilled_bytes;
}

absl::StatusOr<json> ProbeCompress(const json& spec, const json& gpus) {
  const json& task = spec["compress"];
  PIVOT_ASSIGN_OR_RETURN(const std::string path, SourcePath(task));
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder folder, OpenOriginal(path));
  const DeviceKind device = KindOf(spec, gpus);
  PIVOT_ASSIGN_OR_RETURN(const CompressSpec resolved, ResolveCompressSpec(task, folder.model, device));
  if (resolved.reads_text()) PIVOT_RETURN_IF_ERROR(CheckTokenizer(path));
  PIVOT_ASSIGN_OR_RETURN(const Plan plan, MakePlan(folder.model, resolved, device));
  json answer = PlanToJson(plan, folder.model, resolved, device);
  if (device == DeviceKind::kCuda) AddGpuFits(folder.model, resolved, gpus, answer);
  return json{{"plan", std::move(answer)}};
}

/// Whether the folder holds a model that can be run.
absl::Status CheckRuns(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder folder, OpenCheckpoint(path));
  return CheckCanRun(folder.model.config());
}

absl::StatusOr<json> ProbeOther(const json& task) {
  PIVOT_ASSIGN_OR_RETURN(const std::string path, SourcePath(task));
  PIVOT_RETURN_IF_ERROR(CheckRuns(path));
  const bool reads_text = task.value("tokens_path", json("")) == json("");
  if (reads_text) PIVOT_RETURN_IF_ERROR(CheckTokenizer(path));
  if (!task.value("reference", json()).is_null()) {
    PIVOT_ASSIGN_OR_RETURN(const std::string reference, SourcePath(task, "reference"));
    PIVOT_RETURN_IF_ERROR(CheckRuns(reference));
  }
  return json::object();
}

absl::StatusOr<json> ProbeConvert(const json& task) {
  PIVOT_ASSIGN_OR_RETURN(const ConversionSpec spec, ResolveConversion(task));
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder source, OpenCheckpoint(spec.source_path));
  PIVOT_RETURN_IF_ERROR(PlanConversions(source, spec).status());
  return json::object();
}

struct Findings {
  std::vector<std::string> problems;
  std::vector<std::string> warnings;
};

/// Adds what is to be said of one model folder, `prefix` before each sentence.
absl::Status VerifyFolder(const std::string& path, const std::string& prefix, int target_tp, Findings* findings) {
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder folder, OpenCheckpointUnchecked(path));
  const std::vector<std::string> problems = TensorProblems(folder);
  for (const std::string& problem : problems) findings->problems.push_back(prefix + problem);
  // Rules over tensors that are not there would only say so again.
  if (!problems.empty() || !folder.quantization.has_value()) return absl::OkStatus();
  for (const RuleFinding& finding : CheckLoaderRules(folder, target_tp)) {
    const bool is_error = finding.rule->severity == RuleSeverity::kError;
    (is_error ? findings->problems : findings->warnings).push_back(prefix + DescribeFinding(finding));
  }
  return absl::OkStatus();
}

/// Of an output that is several model folders all are looked at.
absl::StatusOr<json> Verify(const std::string& path, int target_tp) {
  std::vector<std::string> models;
  std::error_code error;
  if (std::filesystem::exists(absl::StrCat(path, "/", kManifestPath), error)) models = ModelSubfolders(path);
  Findings findings;
  for (const std::string& name : models)
    PIVOT_RETURN_IF_ERROR(VerifyFolder(absl::StrCat(path, "/", name), name + ": ", target_tp, &findings));
  if (models.empty()) PIVOT_RETURN_IF_ERROR(VerifyFolder(path, "", target_tp, &findings));
  return json{{"verify", {{"problems", findings.problems}, {"warnings", findings.warnings}}}};
}

absl::StatusOr<json> Answer(const json& request) {
  JsonFields fields(request, "the request");
  const auto inspect = fields.OptionalText("inspect");
  const auto verify = fields.OptionalText("verify");
  const int64_t target_tp = fields.OptionalInteger("target_tp").value_or(1);
  const json* spec = fields.OptionalObject("spec");
  PIVOT_RETURN_IF_ERROR(fields.status());
  if (inspect.has_value()) {
    PIVOT_ASSIGN_OR_RETURN(json summary, Inspect(*inspect));
    return json{{"inspect", std::move(summary)}};
  }
  if (verify.has_value()) return Verify(*verify, static_cast<int>(std::clamp<int64_t>(target_tp, 1, kMaxRanks)));
  if (spec == nullptr) return absl::InvalidArgumentError("the request has neither spec nor inspect nor verify");
  const json gpus = request.value("gpus", json::array());
  if (spec->contains("compress")) return ProbeCompress(*spec, gpus);
  if (spec->contains("evaluate")) return ProbeOther((*spec)["evaluate"]);
  if (spec->contains("convert")) return ProbeConvert((*spec)["convert"]);
  if (spec->contains("generate")) return ProbeOther((*spec)["generate"]);
  return absl::InvalidArgumentError("the spec names no task");
}

void Print(const absl::StatusOr<json>& answer) {
  const json output = answer.ok() ? *answer : json{{"error", StatusToJson(answer.status())}};
  std::cout << output.dump(-1, ' ', false, json::error_handler_t::replace) << '\n' << std::flush;
}

int Main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody waits for the answer any more
  if (argc == 2 && std::string(argv[1]) == "--capabilities") {
    std::cout << Capabilities().dump() << "\n";
    return 0;
  }
  if (argc != 1) {
    std::cerr << "usage: pivot-probe [--capabilities] < request.json\n";
    return 2;
  }
  const std::string text{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  ReportBusErrors([](const absl::Status& status) {
    Print(status);
    _exit(0);
  });
  const auto request = ParseJson(text, "the request");
  const auto answer = request.ok() ? Answer(*request) : absl::StatusOr<json>(request.status());
  const absl::Status unchanged = CheckMappedFiles();
  Print(unchanged.ok() ? answer : absl::StatusOr<json>(unchanged));
  return 0;
}

}  // namespace
}  // namespace pivot

int main(int argc, char** argv) { return pivot::Main(argc, argv); }

// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Validators.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/probe.h"
#include "client/source_paths.h"
#include "client/view/units.h"
#include "proto/files/durable_file.h"
#include "proto/files/manifest.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"
#include "proto/text/json_facts.h"

namespace pivot::client {
namespace {

using nlohmann::json;

constexpr size_t kMaxManifestBytes = size_t{256} << 20;

struct Flags {
  std::string folder;
  int target_tp = 1;
  OutputFlags shown;
};

struct Problem {
  std::string path;  // empty: the folder as a whole
  std::string fault;
};

struct Findings {
  bool has_manifest = false;
  size_t num_files = 0;
  std::vector<Problem> problems;
  std::vector<std::string> warnings;
};

/// The manifest that speaks of the folder: its own, or, when it is one of several folders of an output, the output's.
struct ManifestPlace {
  std::string path;    // empty: there is none
  std::string prefix;  // of the folder's files in it
};

ManifestPlace FindManifest(const std::string& folder) {
  const std::filesystem::path path(folder);
  std::error_code error;
  std::string own = absl::StrCat(folder, "/", kManifestPath);
  if (std::filesystem::exists(own, error)) return {std::move(own), ""};
  std::string above = absl::StrCat(path.parent_path().string(), "/", kManifestPath);
  if (std::filesystem::exists(above, error)) return {std::move(above), path.filename().string() + "/"};
  return {};
}

/// Leaves the files below the prefix, named from there.
void KeepBelow(const std::string& prefix, ManifestData* manifest) {
  if (prefix.empty()) return;
  std::vector<ManifestFile> kept;
  for (ManifestFile& file : manifest->files) {
    if (!absl::StartsWith(file.path, prefix)) continue;
    file.path.erase(0, prefix.size());
    kept.push_back(std::move(file));
  }
  manifest->files = std::move(kept);
}

absl::Status CompareWithManifest(const std::string& folder, Findings* findings) {
  const ManifestPlace place = FindManifest(folder);
  if (place.path.empty()) return absl::OkStatus();
  PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(place.path, kMaxManifestBytes));
  auto manifest = ManifestFromJson(text);
  if (!manifest.ok()) {
    findings->has_manifest = true;
    findings->problems.push_back({kManifestPath, std::string(manifest.status().message())});
    return absl::OkStatus();
  }
  KeepBelow(place.prefix, &*manifest);
  findings->has_manifest = !manifest->files.empty();
  if (!findings->has_manifest) return absl::OkStatus();
  findings->num_files = manifest->files.size();
  return CompareFolder(folder, *manifest, [findings](const std::string& path, const std::string& fault) {
    findings->problems.push_back({path, fault});
  });
}

/// True for what the probe says of the files themselves, not of kinds of model that it does not know or of its own
/// troubles.
bool IsFaultOfFiles(const absl::Status& status) {
  const bool is_probe_missing = ReasonOf(status) == "PROBE_MISSING";
  return absl::IsInvalidArgument(status) || absl::IsDataLoss(status) || (absl::IsNotFound(status) && !is_probe_missing);
}

absl::Status CheckStructure(const std::string& folder, int target_tp, const Console& console, Findings* findings) {
  const auto answer = AskProbe(console.program_folder + "/pivot-probe", {{"verify", folder}, {"target_tp", target_tp}},
                               "verify", console.interrupted);
  if (!answer.ok()) {
    if (!IsFaultOfFiles(answer.status())) return answer.status();
    findings->problems.push_back({"", std::string(answer.status().message())});
    return absl::OkStatus();
  }
  for (const json& problem : ListAt(*answer, "problems")) findings->problems.push_back({"", TextOf(problem)});
  for (const json& warning : ListAt(*answer, "warnings")) findings->warnings.push_back(TextOf(warning));
  return absl::OkStatus();
}

void PrintFindings(const std::string& folder, const Findings& findings, const Flags& flags, const Console& console) {
  if (flags.shown.json) {
    json problems = json::array();
    for (const Problem& problem : findings.problems) {
      problems.push_back({{"path", problem.path}, {"problem", problem.fault}});
    }
    PrintJson({{"folder", folder},
               {"manifest", findings.has_manifest},
               {"files", findings.num_files},
               {"problems", std::move(problems)},
               {"warnings", findings.warnings}},
              console.out);
    return;
  }
  for (const Problem& problem : findings.problems) {
    const std::string prefix = problem.path.empty() ? "" : absl::StrCat(Printable(problem.path), ": ");
    *console.out << prefix << Printable(problem.fault) << "\n";
  }
  for (const std::string& warning : findings.warnings) {
    if (!flags.shown.quiet) *console.err << "warning: " << Printable(warning) << "\n";
  }
  if (!findings.has_manifest && !flags.shown.quiet) {
    *console.err << folder << " has no " << kManifestPath << ": its structure was checked, its bytes could not be\n";
  }
  if (findings.problems.empty()) {
    *console.out << folder << ": "
                 << (findings.has_manifest ? absl::StrCat(findings.num_files, " files with the right hashes, ") : "")
                 << "structure is right\n";
  }
}

absl::Status Run(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const std::string folder, ModelFolder(flags.folder));
  Findings findings;
  PIVOT_RETURN_IF_ERROR(CompareWithManifest(folder, &findings));
  const absl::Status structure = CheckStructure(folder, flags.target_tp, console, &findings);
  if (structure.ok() || !findings.problems.empty()) PrintFindings(folder, findings, flags, console);
  if (findings.problems.empty()) return structure;
  return WithReason(absl::DataLossError(absl::StrCat(folder, " has ", findings.problems.size(),
                                                     findings.problems.size() == 1 ? " fault" : " faults",
                                                     ": fetch or make it again")),
                    "FOLDER_DAMAGED");
}

}  // namespace

CommandAction DeclareVerify(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("DIR", flags->folder, "a model folder")->required();
  app.add_option("--target-tp", flags->target_tp, "ranks of tensor parallelism it is to be served with (1)")
      ->check(CLI::Range(1, 1024));
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client

// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/compress_flags.h"
#include "client/commands/flags.h"
#include "client/compression.h"
#include "client/source_paths.h"
#include "client/view/summary.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  CompressFlags compress;
  std::string output;
  bool overwrite = false;
  OutputFlags shown;
};

/// "fp8" of FORMAT_FP8.
std::string FormatLabel(v1::Format format) {
  const std::string full = v1::Format_Name(format);
  absl::string_view name = full;
  absl::ConsumePrefix(&name, "FORMAT_");
  return absl::AsciiStrToLower(name);
}

/// "./MODEL-4bit", "./MODEL-90MB", "./MODEL-fp8".
std::string DefaultOutput(const v1::CompressTask& task) {
  const std::string name = ModelLabel(task.source().path());
  const std::string budget = BudgetLabel(task);
  return absl::StrCat("./", name.empty() ? "model" : name, "-", budget.empty() ? FormatLabel(task.format()) : budget);
}

void PrintReport(const CompressionReport& report, const std::string& output, const Reporter& reporter,
                 const Console& console, const OutputFlags& shown) {
  if (shown.json) {
    PrintJson(DoneJson(report.job, report.delivered.has_value() ? output : ""), console.out);
  } else if (report.delivered.has_value()) {
    *console.out << RenderSummary({.source_bytes = report.job.plan().source_bytes(),
                                   .folders = WeightFoldersOf(*report.delivered),
                                   .checkpoint = *report.job.checkpoints().rbegin(),
                                   .original = reporter.view().original,
                                   .output = output});
  }
}

absl::Status Run(const Flags& flags, const Console& console) {
  CompressionRequest request{.existing = flags.overwrite ? Existing::kReplace : Existing::kRefuse,
                             .server = flags.compress.server};
  // Before a model is fetched for nothing.
  if (!flags.output.empty()) {
    PIVOT_ASSIGN_OR_RETURN(const std::string output, AbsolutePath(flags.output));
    PIVOT_RETURN_IF_ERROR(CheckOutputFolder(output, "", request.existing));
  }
  ModelFinder finder(console, flags.shown);
  PIVOT_ASSIGN_OR_RETURN(request.spec, SpecOf(flags.compress, &finder));
  const v1::CompressTask& task = request.spec.compress();
  PIVOT_ASSIGN_OR_RETURN(request.output, AbsolutePath(flags.output.empty() ? DefaultOutput(task) : flags.output));
  PIVOT_RETURN_IF_ERROR(CheckOutputFolder(request.output, task.source().path(), request.existing));
  Reporter reporter(console, flags.shown);
  PIVOT_ASSIGN_OR_RETURN(const CompressionReport report, RunCompression(request, console, &reporter));
  if (!report.kept_folder.empty()) {
    reporter.Note(
        absl::StrCat("finished blocks are kept in ", report.kept_folder, ": the same command goes on from there"));
  }
  if (report.delivered.has_value() || report.outcome.ok()) {
    PrintReport(report, request.output, reporter, console, flags.shown);
  }
  return report.outcome;
}

}  // namespace

CommandAction DeclareCompress(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddCompressFlags(app, &flags->compress);
  app.add_option("-o,--output", flags->output, "the folder to make (./MODEL-BITSbit)");
  app.add_flag("--overwrite", flags->overwrite, "replace the output folder if it exists");
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client

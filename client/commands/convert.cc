// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/compression.h"
#include "client/model_finder.h"
#include "client/source_paths.h"
#include "client/view/summary.h"
#include "client/view/units.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  std::string folder;
  std::string format;
  std::string output;
  std::string shard_size;
  ServerAddress server;
  bool overwrite = false;
  OutputFlags shown;
};

absl::StatusOr<v1::JobSpec> SpecFrom(const Flags& flags, const Console& console) {
  v1::JobSpec spec;
  ModelFinder finder(console, flags.shown);
  v1::ConvertTask& task = *spec.mutable_convert();
  PIVOT_ASSIGN_OR_RETURN(const v1::Format format, ParseFormat(flags.format));
  task.set_format(format);
  if (!flags.shard_size.empty()) {
    PIVOT_ASSIGN_OR_RETURN(const int64_t bytes, ParseSize("--shard-size", flags.shard_size));
    task.set_shard_bytes(bytes);
  }
  spec.set_device("cpu");
  PIVOT_ASSIGN_OR_RETURN(*task.mutable_source()->mutable_path(), finder.PathFor(flags.server.address, flags.folder));
  return spec;
}

absl::Status Run(const Flags& flags, const Console& console) {
  CompressionRequest request{.existing = flags.overwrite ? Existing::kReplace : Existing::kRefuse,
                             .server = flags.server};
  PIVOT_ASSIGN_OR_RETURN(request.output, AbsolutePath(flags.output));
  // Before a model is fetched for nothing, and once more when its place is known.
  PIVOT_RETURN_IF_ERROR(CheckOutputFolder(request.output, "", request.existing));
  PIVOT_ASSIGN_OR_RETURN(request.spec, SpecFrom(flags, console));
  PIVOT_RETURN_IF_ERROR(CheckOutputFolder(request.output, request.spec.convert().source().path(), request.existing));
  Reporter reporter(console, flags.shown);
  PIVOT_ASSIGN_OR_RETURN(const CompressionReport report, RunCompression(request, console, &reporter));
  PIVOT_RETURN_IF_ERROR(report.outcome);
  if (flags.shown.json) {
    PrintJson(DoneJson(report.job, request.output), console.out);
  } else {
    const v1::CheckpointRef& checkpoint = *report.job.checkpoints().rbegin();
    *console.out << request.output << ": " << flags.format << ", " << FormatBytes(checkpoint.bytes()) << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

CommandAction DeclareConvert(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("DIR", flags->folder, "a compressed model, Pivot's or another tool's")->required();
  app.add_option(
         "--format", flags->format,
         "compressed-tensors, gptq, gptq_v2, bf16, gguf, both (a folder each of compressed-tensors and gptq) or "
         "mixed_gptq (OneComp's)")
      ->required();
  app.add_option("-o,--output", flags->output, "the folder to make")->required();
  app.add_option("--shard-size", flags->shard_size,
                 "most bytes of a weight file, as 5GB or 500MiB (a file for each decoder block, and one for the rest)");
  app.add_flag("--overwrite", flags->overwrite, "replace the output folder if it exists");
  AddServerFlag(app, &flags->server);
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client

// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/exit_code.h"
#include "client/model_finder.h"
#include "client/task.h"
#include "proto/json.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  std::string model;
  std::string prompt;
  int64_t max_tokens = 64;
  std::string device = "auto";
  std::string dtype = "auto";
  ServerAddress server;
  OutputFlags shown;
};

absl::StatusOr<v1::JobSpec> SpecFrom(const Flags& flags, const Console& console) {
  v1::JobSpec spec;
  ModelFinder finder = ModelFinder::BesideAnswer(console, flags.shown);
  v1::GenerateTask& task = *spec.mutable_generate();
  if (flags.prompt.empty()) return UsageError("--prompt is empty: give the text to go on from", "--prompt");
  PIVOT_RETURN_IF_ERROR(
      CheckRange("--max-tokens", static_cast<double>(flags.max_tokens), 1, std::numeric_limits<int32_t>::max()));
  task.set_prompt(flags.prompt);
  task.set_max_tokens(static_cast<int32_t>(flags.max_tokens));
  PIVOT_ASSIGN_OR_RETURN(*spec.mutable_device(), ParseDevice(flags.device));
  PIVOT_ASSIGN_OR_RETURN(const v1::ComputeDtype dtype, ParseDtype(flags.dtype));
  task.set_compute_dtype(dtype);
  PIVOT_ASSIGN_OR_RETURN(*task.mutable_source()->mutable_path(), finder.PathFor(flags.server.address, flags.model));
  return spec;
}

absl::Status Run(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const v1::JobSpec spec, SpecFrom(flags, console));
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, OpenTaskSession(spec, flags.server, "", console));
  // A few words need no account of how they came about.
  const bool warns_only = !flags.shown.verbose && !flags.shown.quiet;
  Reporter reporter = warns_only ? Reporter::WarningsOnly(console)
                                 : Reporter(console, {.quiet = flags.shown.quiet, .verbose = flags.shown.verbose});
  PIVOT_ASSIGN_OR_RETURN(const v1::Job job, RunTask(spec, session.get(), console, &reporter));
  if (flags.shown.json) {
    PrintJson(ToJson(job.result().generation()), console.out);
  } else {
    *console.out << job.result().generation().text() << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

CommandAction DeclareGenerate(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("DIR", flags->model, "a model folder, compressed or not")->required();
  app.add_option("--prompt", flags->prompt, "the text to go on from")->required();
  app.add_option("--max-tokens", flags->max_tokens, "at most so many tokens (64)");
  AddDeviceFlag(app, &flags->device);
  AddDtypeFlag(app, &flags->dtype);
  AddServerFlag(app, &flags->server);
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client

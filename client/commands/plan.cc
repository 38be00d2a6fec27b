// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/compress_flags.h"
#include "client/commands/flags.h"
#include "client/jobs.h"
#include "client/probe.h"
#include "client/view/plan_table.h"
#include "proto/json.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  CompressFlags compress;
  OutputFlags shown;
};

absl::StatusOr<v1::Plan> PlanHere(const v1::JobSpec& spec, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const nlohmann::json answer, AskProbe(console.program_folder + "/pivot-probe",
                                                               {{"spec", ToJson(spec)}}, "plan", console.interrupted));
  v1::Plan plan;
  PIVOT_RETURN_IF_ERROR(FromJson(answer, &plan));
  return plan;
}

absl::StatusOr<v1::Plan> PlanThere(const v1::JobSpec& spec, const std::string& server, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const Connection connection, Connect(server));
  CreateOptions options;
  options.limits.stop = console.interrupted;
  return PlanJob(connection, spec, options);
}

absl::Status Run(const Flags& flags, const Console& console) {
  ModelFinder finder = ModelFinder::BesideAnswer(console, flags.shown, Need::kHeaders);
  PIVOT_ASSIGN_OR_RETURN(const v1::JobSpec spec, SpecOf(flags.compress, &finder));
  PIVOT_ASSIGN_OR_RETURN(const v1::Plan plan, flags.compress.server.empty()
                                                  ? PlanHere(spec, console)
                                                  : PlanThere(spec, flags.compress.server, console));
  if (flags.shown.json) {
    PrintJson(ToJson(plan), console.out);
  } else {
    *console.out << RenderPlan(plan);
  }
  return absl::OkStatus();
}

}  // namespace

CommandAction DeclarePlan(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddCompressFlags(app, &flags->compress);
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client

// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/compress_flags.h"
#include "client/commands/flags.h"
#include "client/compression.h"
#include "client/exit_code.h"
#include "client/jobs.h"
#include "client/probe.h"
#include "client/temporary_folder.h"
#include "client/view/plan_table.h"
#include "proto/files/durable_file.h"
#include "proto/json.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr int64_t kMostPlanBytes = int64_t{1} << 28;

struct Flags {
  CompressFlags compress;
  bool measures = false;
  OutputFlags shown;
};

absl::StatusOr<v1::Plan> PlanHere(const v1::JobSpec& spec, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const nlohmann::json answer, AskProbe(console.program_folder + "/pivot-probe",
                                                               {{"spec", ToJson(spec)}}, "plan", console.interrupted));
  v1::Plan plan;
  PIVOT_RETURN_IF_ERROR(FromJson(answer, &plan));
  return plan;
}

absl::StatusOr<v1::Plan> PlanThere(const v1::JobSpec& spec, const ServerAddress& server, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const Connection connection, Connect(server));
  CreateOptions options;
  options.limits.stop = console.interrupted;
  return PlanJob(connection, spec, options);
}

/// What the estimate says of time and memory, and the layers that the job chose.
absl::StatusOr<v1::Plan> MeasuredPlan(v1::Plan plan, const std::string& folder) {
  PIVOT_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(folder + "/pivot/plan.json", kMostPlanBytes));
  const nlohmann::json file = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!file.is_object()) return absl::DataLossError("the job's plan.json is not a JSON object");
  plan.clear_modules();
  PIVOT_RETURN_IF_ERROR(FromJson(file, &plan));
  plan.set_disk_bytes(2 * plan.total_bytes());
  plan.set_status("measured");
  return plan;
}

/// Runs the job that ends with its plan.
absl::StatusOr<v1::Plan> MeasurePlan(v1::JobSpec spec, const Flags& flags, const Console& console) {
  v1::CompressTask& task = *spec.mutable_compress();
  if (task.plan_kind() == v1::PLAN_KIND_UNSPECIFIED && task.plan_rules().empty())
    task.set_plan_kind(v1::PLAN_KIND_AUTO);
  if (task.plan_kind() != v1::PLAN_KIND_AUTO)
    return UsageError("--measure goes with --plan auto: of others nothing is measured");
  task.set_measure_only(true);
  *task.mutable_evaluation() = v1::Evaluation();
  task.mutable_evaluation()->set_skip(true);
  PIVOT_ASSIGN_OR_RETURN(const std::string made, MakeTemporaryFolder(TemporaryParent()));
  const ScopedFolder temporary(made);
  const CompressionRequest request{.spec = spec, .output = temporary.path() + "/plan", .server = flags.compress.server};
  // The answer alone goes to stdout.
  Reporter reporter(console, {});
  PIVOT_ASSIGN_OR_RETURN(const CompressionReport report, RunCompression(request, console, &reporter));
  PIVOT_RETURN_IF_ERROR(report.outcome);
  if (!report.delivered.has_value()) return absl::InternalError("the job ended without a plan");
  return MeasuredPlan(report.job.plan(), request.output);
}

absl::StatusOr<v1::Plan> EstimatePlan(const v1::JobSpec& spec, const Flags& flags, const Console& console) {
  return flags.compress.server.empty() ? PlanHere(spec, console) : PlanThere(spec, flags.compress.server, console);
}

absl::Status Run(const Flags& flags, const Console& console) {
  ModelFinder finder = ModelFinder::BesideAnswer(console, flags.shown, flags.measures ? Need::kAll : Need::kHeaders);
  PIVOT_ASSIGN_OR_RETURN(const v1::JobSpec spec, SpecOf(flags.compress, &finder));
  PIVOT_ASSIGN_OR_RETURN(const v1::Plan plan,
                         flags.measures ? MeasurePlan(spec, flags, console) : EstimatePlan(spec, flags, console));
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
  app.add_flag("--measure", flags->measures,
               "run the measurement, and tell the plan that compress would make of it, instead of an estimate");
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client

// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/exit_code.h"
#include "client/model_finder.h"
#include "client/pull.h"
#include "client/task.h"
#include "client/view/table.h"
#include "client/view/units.h"
#include "proto/json.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr char kLogitsFile[] = "logits.safetensors";

struct Flags {
  std::string model;
  std::string text;
  std::string text_key;
  std::string reference;
  int64_t max_tokens = 0;
  std::string tokens;
  std::string logits;
  std::string device = "auto";
  std::string dtype = "auto";
  ServerAddress server;
  OutputFlags shown;
};

absl::Status CheckTogether(const Flags& flags) {
  if (flags.tokens.empty() != flags.logits.empty()) {
    return UsageError("--tokens IN.safetensors and --logits OUT.safetensors go together", "--tokens");
  }
  if (!flags.tokens.empty() && (!flags.text.empty() || !flags.reference.empty() || flags.max_tokens != 0)) {
    return UsageError("--tokens gives logits and scores no text: leave out --text, --reference and --max-tokens",
                      "--tokens");
  }
  if (flags.max_tokens < 0) {
    return UsageError(absl::StrCat("--max-tokens is ", flags.max_tokens, "; allowed: 1 and more, or 0 for all"),
                      "--max-tokens");
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::JobSpec> SpecFrom(const Flags& flags, const Console& console) {
  PIVOT_RETURN_IF_ERROR(CheckTogether(flags));
  v1::JobSpec spec;
  ModelFinder finder = ModelFinder::BesideAnswer(console, flags.shown);
  v1::EvaluateTask& task = *spec.mutable_evaluate();
  PIVOT_ASSIGN_OR_RETURN(*spec.mutable_device(), ParseDevice(flags.device));
  PIVOT_ASSIGN_OR_RETURN(const v1::ComputeDtype dtype, ParseDtype(flags.dtype));
  task.set_compute_dtype(dtype);
  task.set_max_tokens(flags.max_tokens);
  PIVOT_ASSIGN_OR_RETURN(*task.mutable_source()->mutable_path(), finder.PathFor(flags.server.address, flags.model));
  if (!flags.reference.empty()) {
    PIVOT_ASSIGN_OR_RETURN(*task.mutable_reference()->mutable_path(),
                           finder.PathFor(flags.server.address, flags.reference));
  }
  PIVOT_RETURN_IF_ERROR(CheckTextKey("--text-key", flags.text_key, flags.text));
  task.set_text_key(flags.text_key);
  if (!flags.text.empty()) {
    PIVOT_ASSIGN_OR_RETURN(*task.mutable_text_path(), TextPathFor(flags.server.address, flags.text, "text"));
  }
  if (!flags.tokens.empty()) {
    PIVOT_ASSIGN_OR_RETURN(*task.mutable_tokens_path(), TextPathFor(flags.server.address, flags.tokens, "token file"));
  }
  return spec;
}

std::string RenderQuality(const v1::Quality& quality) {
  Table table({{""}, {"", Align::kRight}});
  table.AddRow({"perplexity", FormatNumber(quality.perplexity(), 4)});
  table.AddRow({"mean negative log likelihood", FormatNumber(quality.nll(), 5)});
  if (quality.has_kl_mean()) table.AddRow({"KL(reference || model), mean", FormatSmall(quality.kl_mean())});
  if (quality.has_kl_p99()) table.AddRow({"KL, 99th percentile", FormatSmall(quality.kl_p99())});
  if (quality.has_top1_agreement()) table.AddRow({"top-1 agreement", FormatShare(quality.top1_agreement())});
  table.AddRow({"tokens", FormatCount(quality.tokens())});
  table.AddRow({"predicted", FormatCount(quality.predicted())});
  table.AddRow({"windows", FormatCount(quality.windows())});
  table.AddRow({"arithmetic", Printable(quality.dtype())});
  table.AddRow({"time", FormatSeconds(quality.seconds())});
  return table.Render();
}

absl::Status DeliverLogits(const v1::Job& job, const Flags& flags, Session* session, const Console& console) {
  if (job.checkpoints_size() == 0) return absl::InternalError(absl::StrCat(job.name(), " published no logits"));
  PullOptions options;
  options.fetch.stop = console.interrupted;
  PIVOT_RETURN_IF_ERROR(PullFile(session->connection(), job.checkpoints(0).name(), kLogitsFile, flags.logits, options));
  if (flags.shown.json) {
    PrintJson({{"logits", flags.logits}}, console.out);
  } else {
    *console.out << flags.logits << "\n";
  }
  return absl::OkStatus();
}

absl::Status Run(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const v1::JobSpec spec, SpecFrom(flags, console));
  // Logits are large: a private server keeps them on the disk they are wanted on.
  const std::string data_parent =
      flags.logits.empty() ? "" : std::filesystem::absolute(flags.logits).parent_path().string();
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session,
                         OpenTaskSession(spec, flags.server, data_parent, console));
  // The answer is one object: with --json the events would only be in its way.
  const bool answers_only = flags.shown.json && !flags.shown.quiet;
  Reporter reporter = answers_only ? Reporter::WarningsOnly(console)
                                   : Reporter(console, {.quiet = flags.shown.quiet, .verbose = flags.shown.verbose});
  PIVOT_ASSIGN_OR_RETURN(const v1::Job job, RunTask(spec, session.get(), console, &reporter));
  if (!flags.tokens.empty()) return DeliverLogits(job, flags, session.get(), console);
  if (flags.shown.json) {
    PrintJson(ToJson(job.result().quality()), console.out);
  } else {
    *console.out << RenderQuality(job.result().quality());
  }
  return absl::OkStatus();
}

}  // namespace

CommandAction DeclareEval(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("DIR", flags->model, "the model to measure, compressed or not")->required();
  app.add_option("--text", flags->text,
                 "a file of text, .jsonl, .json, .csv, .tsv, .parquet or .arrow (built-in text)");
  app.add_option("--text-key", flags->text_key,
                 "its member (a.b for b in a) or column that holds the document (text, messages, conversations or "
                 "input_ids)");
  app.add_option("--reference", flags->reference, "the original: adds KL divergence and top-1 agreement");
  app.add_option("--max-tokens", flags->max_tokens, "leading tokens of the text to use (all)");
  app.add_option("--tokens", flags->tokens,
                 "instead of a text: a safetensors file with \"tokens\", int64 [batch, length]");
  app.add_option("--logits", flags->logits, "with --tokens: where the logits go, fp32 [batch, length, vocab]");
  AddDeviceFlag(app, &flags->device);
  AddDtypeFlag(app, &flags->dtype);
  AddServerFlag(app, &flags->server);
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client

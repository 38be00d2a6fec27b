// SPDX-License-Identifier: Apache-2.0
#include "client/commands/budget_flags.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"

#include "client/commands/flags.h"
#include "client/exit_code.h"
#include "client/view/units.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr double kMinBits = 2;
constexpr double kMaxBits = 8;
constexpr double kDefaultBits = 4;
// A job's whole specification has 64,000.
constexpr size_t kMaxPlanBytes = 60000;

bool HasOwnBits(v1::Format format) {
  return format == v1::FORMAT_FP8 || format == v1::FORMAT_NVFP4 || format == v1::FORMAT_MXFP4;
}

/// The file without what a plan does not need: of the list that `pivot plan --json` prints the rest is of no use here.
absl::StatusOr<std::string> ReadPlan(const std::string& path) {
  std::error_code error;
  std::ifstream file(path, std::ios::binary);
  if (!file || !std::filesystem::is_regular_file(path, error))
    return UsageError(absl::StrCat("--plan is \"", path, "\"; allowed: auto, uniform, or a file"), "--plan");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  nlohmann::json plan = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!plan.is_object()) return UsageError(absl::StrCat(path, " is no plan: it holds no JSON object"), "--plan");
  if (plan.contains("modules") && plan["modules"].is_array()) {
    nlohmann::json modules = nlohmann::json::array();
    for (const nlohmann::json& module : plan["modules"]) {
      if (!module.is_object()) return UsageError(absl::StrCat(path, ": modules must be objects"), "--plan");
      nlohmann::json kept = nlohmann::json::object();
      for (const char* key : {"name", "bits", "group_size", "type"})
        if (module.contains(key)) kept[key] = module[key];
      modules.push_back(std::move(kept));
    }
    plan = {{"schema", plan.value("schema", nlohmann::json())}, {"modules", std::move(modules)}};
  }
  std::string compact = plan.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (compact.size() <= kMaxPlanBytes) return compact;
  return UsageError(absl::StrCat(path, " has ", compact.size(), " bytes without what is of no use; allowed: ",
                                 kMaxPlanBytes, ". Rules with patterns are shorter than a list of layers"),
                    "--plan");
}

}  // namespace

void AddBudgetFlags(CLI::App& app, BudgetFlags* flags) {
  CLI::Option* bits = app.add_option(
      "--bits", flags->bits,
      "the size of a model whose codes are all so wide, 2 to 8; a fraction spends bits where they matter (4)");
  CLI::Option* size =
      app.add_option("--max-size", flags->max_size, "most bytes of the result, as 90MB: bits where they matter");
  CLI::Option* vram = app.add_option("--vram", flags->vram,
                                     "memory of the GPU that will serve the model, as 8GB: weights, cache of --context "
                                     "tokens and activations must fit");
  bits->excludes(size)->excludes(vram);
  size->excludes(vram);
  app.add_option("--context", flags->context, "tokens to have room for in --vram (8192)")->needs(vram);
  app.add_option(
      "--plan", flags->plan,
      "which layer gets which bits: uniform, auto (measured), or a file of rules or of layers (uniform with a "
      "whole number of bits, else auto)");
}

absl::Status FillBudget(const BudgetFlags& flags, v1::CompressTask* task) {
  if (flags.bits.has_value() && !(*flags.bits >= kMinBits && *flags.bits <= kMaxBits))
    return UsageError(absl::StrCat("--bits is ", *flags.bits, "; allowed: ", kMinBits, " to ", kMaxBits), "--bits");
  if (!flags.max_size.empty()) {
    PIVOT_ASSIGN_OR_RETURN(const int64_t bytes, ParseSize("--max-size", flags.max_size));
    task->set_max_bytes(bytes);
  }
  if (!flags.vram.empty()) {
    PIVOT_ASSIGN_OR_RETURN(const int64_t bytes, ParseSize("--vram", flags.vram));
    task->set_vram_bytes(bytes);
  }
  if (flags.context.has_value()) {
    if (*flags.context < 1)
      return UsageError(absl::StrCat("--context is ", *flags.context, "; allowed: 1 and more"), "--context");
    task->set_context_tokens(*flags.context);
  }
  // Bits of floating-point formats are the format's.
  const bool has_other_budget = task->max_bytes() != 0 || task->vram_bytes() != 0;
  if (flags.bits.has_value()) {
    task->set_bits(*flags.bits);
  } else if (!HasOwnBits(task->format()) && !has_other_budget) {
    task->set_bits(kDefaultBits);
  }
  if (flags.plan == "uniform") {
    task->set_plan_kind(v1::PLAN_KIND_UNIFORM);
  } else if (flags.plan == "auto") {
    task->set_plan_kind(v1::PLAN_KIND_AUTO);
  } else if (!flags.plan.empty()) {
    task->set_plan_kind(v1::PLAN_KIND_RULES);
    PIVOT_ASSIGN_OR_RETURN(*task->mutable_plan_rules(), ReadPlan(flags.plan));
  }
  return absl::OkStatus();
}

std::string BudgetLabel(const v1::CompressTask& task) {
  if (task.plan_kind() == v1::PLAN_KIND_RULES) return "plan";
  const auto size = [](int64_t bytes) { return absl::StrReplaceAll(FormatBytes(bytes), {{" ", ""}}); };
  if (task.max_bytes() != 0) return size(task.max_bytes());
  if (task.vram_bytes() != 0) return absl::StrCat(size(task.vram_bytes()), "-vram");
  return task.bits() == 0 ? "" : absl::StrCat(task.bits(), "bit");
}

}  // namespace pivot::client

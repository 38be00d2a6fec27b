// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/evaluate/generate.h"
#include "engine/model/folder_tokenizer.h"
#include "engine/model/found_model.h"
#include "engine/model/json.h"
#include "engine/tasks/tasks.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr int64_t kDefaultTokens = 64;
constexpr int64_t kMaxTokens = 4096;

}  // namespace

absl::StatusOr<json> RunGenerateTask(const json& task, const TaskContext& context) {
  JsonFields fields(task, "generate");
  PIVOT_ASSIGN_OR_RETURN(const std::string path, SourcePath(task));
  const std::string prompt = fields.Text("prompt");
  int64_t max_tokens = fields.OptionalInteger("max_tokens").value_or(0);
  PIVOT_ASSIGN_OR_RETURN(const ComputeDtype wanted,
                         ParseComputeDtype(fields.OptionalText("compute_dtype").value_or("auto")));
  PIVOT_RETURN_IF_ERROR(fields.status());
  if (max_tokens == 0) max_tokens = kDefaultTokens;
  if (max_tokens < 0 || max_tokens > kMaxTokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tokens is ", max_tokens, "; at most ", kMaxTokens, " are generated"));
  }

  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder folder, OpenCheckpoint(path));
  PIVOT_RETURN_IF_ERROR(CheckCanRun(folder.model.config()));
  WarnOfActivations(folder, *context.hooks);
  PIVOT_ASSIGN_OR_RETURN(const Tokenizer tokenizer, LoadTokenizer(path));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, tokenizer.Encode(prompt, SpecialTokens::kAdd));
  const WeightReader model(folder, ToScalarType(ResolveDtype(*context.device, wanted)), context.device->device);
  if (context.hooks->stage_started) context.hooks->stage_started("generate", static_cast<int>(max_tokens));
  const EvaluationHooks hooks{.is_cancelled = context.hooks->is_cancelled, .progress = [&](int done, int total) {
                                if (context.hooks->progress)
                                  context.hooks->progress({.stage = "generate", .done = done, .total = total});
                              }};
  PIVOT_ASSIGN_OR_RETURN(const Generated generated, GenerateGreedily(tokens, max_tokens, model, hooks));
  return json{{"generation",
               {{"text", tokenizer.Decode(generated.tokens, SpecialText::kSkip)},
                {"token_ids", generated.tokens},
                {"finish_reason", generated.reached_end ? "eos" : "length"}}}};
}

}  // namespace pivot

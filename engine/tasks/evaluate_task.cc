// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/calibration/calibration_set.h"
#include "engine/checkpoint/staged_folder.h"
#include "engine/model/folder_tokenizer.h"
#include "engine/model/found_model.h"
#include "engine/model/json.h"
#include "engine/ops/call_torch.h"
#include "engine/tasks/tasks.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

constexpr int64_t kWindow = 2048;
constexpr char kLogitsDirectory[] = "pivot-0";

struct EvaluateSpec {
  std::string source_path;
  std::string reference_path;  // empty: none
  std::string text_path;
  std::string text_key;
  std::string tokens_path;
  int64_t max_tokens = 0;
  ComputeDtype dtype = ComputeDtype::kFloat32;
};

absl::StatusOr<EvaluateSpec> ParseSpec(const json& task) {
  JsonFields fields(task, "evaluate");
  EvaluateSpec spec;
  PIVOT_ASSIGN_OR_RETURN(spec.source_path, SourcePath(task));
  if (fields.OptionalObject("reference") != nullptr) {
    PIVOT_ASSIGN_OR_RETURN(spec.reference_path, SourcePath(task, "reference"));
  }
  spec.text_path = fields.OptionalText("text_path").value_or("");
  spec.text_key = fields.OptionalText("text_key").value_or("");
  spec.tokens_path = fields.OptionalText("tokens_path").value_or("");
  spec.max_tokens = fields.OptionalInteger("max_tokens").value_or(0);
  PIVOT_ASSIGN_OR_RETURN(spec.dtype, ParseComputeDtype(fields.OptionalText("compute_dtype").value_or("float32")));
  if (spec.dtype == ComputeDtype::kAutomatic) spec.dtype = ComputeDtype::kFloat32;
  PIVOT_RETURN_IF_ERROR(fields.status());
  return spec;
}

EvaluationHooks HooksOf(const JobHooks& hooks) {
  return {.is_cancelled = hooks.is_cancelled,
          .progress = [&hooks, start = std::chrono::steady_clock::now()](int done, int total) {
            if (!hooks.progress) return;
            const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            hooks.progress({.stage = "evaluate",
                            .done = done,
                            .total = total,
                            .elapsed_seconds = elapsed,
                            .remaining_seconds = elapsed / done * (total - done)});
          }};
}

absl::StatusOr<json> EvaluateText(const EvaluateSpec& spec, const WeightReader& model, const WeightReader* reference,
                                  const TaskContext& context) {
  PIVOT_ASSIGN_OR_RETURN(const Tokenizer tokenizer, LoadTokenizer(spec.source_path));
  PIVOT_ASSIGN_OR_RETURN(const TokenizedText text,
                         ReadEvaluationText(spec.text_path, spec.text_key, tokenizer, model.folder().model));
  const int64_t length = std::min(kWindow, model.config().max_positions);
  PIVOT_ASSIGN_OR_RETURN(const std::vector<at::Tensor> windows,
                         ConsecutiveWindows(text.tokens, length, spec.max_tokens));
  PIVOT_ASSIGN_OR_RETURN(const Comparison comparison,
                         MeasureQuality(windows, model, reference, HooksOf(*context.hooks)));
  if (context.hooks->quality_measured && comparison.reference.has_value()) {
    context.hooks->quality_measured("original", *comparison.reference);
  }
  return json{{"quality", QualityToJson(comparison.model)}};
}

absl::StatusOr<at::Tensor> ReadTokens(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  const TensorInfo* info = file.Find("tokens");
  if (info == nullptr || info->dtype != Dtype::kInt64 || info->shape.size() != 2 || info->shape[0] < 1 ||
      info->shape[1] < 1) {
    return WithReason(absl::InvalidArgumentError(
                          absl::StrCat(path, " must hold a tensor \"tokens\" of type I64 and shape [batch, length]")),
                      "INVALID_TOKENS");
  }
  return CallTorch("reading tokens", [&] {
    void* data = const_cast<char*>(file.Bytes(*info).data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    return at::from_blob(data, info->shape, at::TensorOptions().dtype(at::kLong)).clone();
  });
}

absl::StatusOr<json> PublishLogits(const EvaluateSpec& spec, const WeightReader& model, const TaskContext& context) {
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor tokens, ReadTokens(spec.tokens_path));
  if (tokens.size(1) > model.config().max_positions) {
    return absl::InvalidArgumentError(absl::StrCat("the tokens are ", tokens.size(1), " long, the model has ",
                                                   model.config().max_positions, " positions"));
  }
  const auto start = std::chrono::steady_clock::now();
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor logits, ComputeLogits(tokens, model, HooksOf(*context.hooks)));
  const std::string folder = context.staging_folder + "/" + kLogitsDirectory;
  PIVOT_RETURN_IF_ERROR(RemoveAll(folder));
  PIVOT_RETURN_IF_ERROR(MakeFolders(folder + "/pivot"));
  const TensorBytes tensor{.spec = {.name = "logits", .dtype = Dtype::kFloat32, .shape = logits.sizes().vec()},
                           .bytes = {static_cast<const char*>(logits.const_data_ptr()), logits.nbytes()}};
  PIVOT_RETURN_IF_ERROR(WriteSafetensors(folder + "/logits.safetensors", {tensor}).status());
  PIVOT_RETURN_IF_ERROR(WriteFileList(folder));
  PIVOT_RETURN_IF_ERROR(context.hooks->publish(
      {.number = 0,
       .directory = kLogitsDirectory,
       .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
       .source_name = model.folder().model.name(),
       .source_digest = SourceDigest(model.folder().model)}));
  return json();
}

}  // namespace

absl::StatusOr<json> RunEvaluateTask(const json& task, const TaskContext& context) {
  PIVOT_ASSIGN_OR_RETURN(const EvaluateSpec spec, ParseSpec(task));
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder folder, OpenCheckpoint(spec.source_path));
  PIVOT_RETURN_IF_ERROR(CheckCanRun(folder.model.config()));
  WarnOfActivations(folder, *context.hooks);
  const WeightReader model(folder, ToScalarType(spec.dtype), context.device->device);
  if (context.hooks->stage_started)
    context.hooks->stage_started("evaluate", static_cast<int>(model.config().num_blocks) + 1);
  if (!spec.tokens_path.empty()) return PublishLogits(spec, model, context);
  if (spec.reference_path.empty()) return EvaluateText(spec, model, nullptr, context);
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder reference_folder, OpenCheckpoint(spec.reference_path));
  PIVOT_RETURN_IF_ERROR(CheckCanRun(reference_folder.model.config()));
  const WeightReader reference(reference_folder, ToScalarType(spec.dtype), context.device->device);
  return EvaluateText(spec, model, &reference, context);
}

}  // namespace pivot

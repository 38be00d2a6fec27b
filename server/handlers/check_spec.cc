// SPDX-License-Identifier: Apache-2.0
#include "server/handlers/check_spec.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

#include "proto/json.h"
#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/handlers/backend.h"

namespace pivot {
namespace {

constexpr size_t kMaxPromptBytes = size_t{32} << 10;
constexpr int kMaxGeneratedTokens = 4096;
constexpr size_t kMaxDeviceDigits = 3;
constexpr absl::Duration kMaxTimeLimit = absl::Hours(365 * 24);
// A Start frame has 65,520 bytes, and the spec shares it with a few names.
constexpr size_t kMaxJsonBytes = 64000;

/// Field paths below one message; every check returns the fault with the whole path.
class Fields {
 public:
  explicit Fields(std::string path) : path_(std::move(path)) {}

  Fields Below(absl::string_view name) const { return Fields(Path(name)); }
  std::string Path(absl::string_view name) const { return absl::StrCat(path_, ".", name); }

  absl::Status Fault(absl::string_view name, absl::string_view rule) const {
    return InvalidSpec(Path(name), absl::StrCat(Path(name), " must be ", rule));
  }
  absl::Status Require(bool holds, absl::string_view name, absl::string_view rule) const {
    return holds ? absl::OkStatus() : Fault(name, rule);
  }
  absl::Status NotNegative(int64_t value, absl::string_view name) const {
    return Require(value >= 0, name, "0 (for the default) or more");
  }

 private:
  std::string path_;
};

bool IsDeviceName(absl::string_view device) {
  if (device.empty() || device == "auto" || device == "cpu") return true;
  if (!absl::ConsumePrefix(&device, "cuda:")) return false;
  const bool digits = !device.empty() && device.size() <= kMaxDeviceDigits &&
                      std::all_of(device.begin(), device.end(), absl::ascii_isdigit);
  return digits && (device.size() == 1 || device[0] != '0');
}

absl::Status CheckSource(const v1::Source& source, const Fields& fields, const AllowedPaths& paths) {
  PIVOT_RETURN_IF_ERROR(fields.Require(source.has_path(), "path", "set"));
  return paths.Check(source.path(), fields.Path("path"));
}

absl::Status CheckTextPath(const std::string& path, absl::string_view name, const Fields& fields,
                           const AllowedPaths& paths) {
  return path.empty() ? absl::OkStatus() : paths.Check(path, fields.Path(name));
}

absl::Status CheckQuantize(const v1::QuantizeOptions& options, const Fields& fields) {
  PIVOT_RETURN_IF_ERROR(
      fields.Require(v1::Method_IsValid(options.method()), "method", "a method that this server knows"));
  const auto is_damping = [](bool is_set, double value) { return !is_set || (value > 0 && value <= 1); };
  const auto is_from_0_to = [](double most, bool is_set, double value) {
    return !is_set || (value >= 0 && value <= most);
  };
  PIVOT_RETURN_IF_ERROR(
      fields.Require(is_damping(options.has_percdamp(), options.percdamp()), "percdamp", "above 0 and at most 1"));
  PIVOT_RETURN_IF_ERROR(fields.Require(is_damping(options.has_qep_percdamp(), options.qep_percdamp()), "qep_percdamp",
                                       "above 0 and at most 1"));
  PIVOT_RETURN_IF_ERROR(
      fields.Require(is_from_0_to(1, options.has_qep_alpha(), options.qep_alpha()), "qep_alpha", "0 to 1"));
  PIVOT_RETURN_IF_ERROR(
      fields.Require(is_from_0_to(1, options.has_qep_residual(), options.qep_residual()), "qep_residual", "0 to 1"));
  PIVOT_RETURN_IF_ERROR(fields.Require(is_from_0_to(100, options.has_regularization(), options.regularization()),
                                       "regularization", "0 to 100"));
  PIVOT_RETURN_IF_ERROR(fields.Require(is_from_0_to(100, options.has_refine_sweeps(), options.refine_sweeps()),
                                       "refine_sweeps", "0 to 100"));
  PIVOT_RETURN_IF_ERROR(
      fields.Require(v1::ScaleSigns_IsValid(options.scale_signs()), "scale_signs", "one that this server knows"));
  PIVOT_RETURN_IF_ERROR(
      fields.Require(v1::ClipSearch_IsValid(options.clip_search()), "clip_search", "one that this server knows"));
  return fields.Require(v1::ActOrder_IsValid(options.act_order()), "act_order", "one that this server knows");
}

absl::Status CheckCalibration(const v1::Calibration& calibration, const Fields& fields, const AllowedPaths& paths) {
  PIVOT_RETURN_IF_ERROR(CheckTextPath(calibration.text_path(), "text_path", fields, paths));
  PIVOT_RETURN_IF_ERROR(fields.NotNegative(calibration.num_samples(), "num_samples"));
  PIVOT_RETURN_IF_ERROR(
      fields.Require(v1::SamplingStrategy_IsValid(calibration.strategy()), "strategy", "one that this server knows"));
  return fields.NotNegative(calibration.sequence_length(), "sequence_length");
}

absl::Status CheckEvaluation(const v1::Evaluation& evaluation, const Fields& fields, const AllowedPaths& paths) {
  const bool contradicts = evaluation.skip() && (!evaluation.text_path().empty() || evaluation.max_tokens() != 0);
  PIVOT_RETURN_IF_ERROR(fields.Require(!contradicts, "skip", "false when text_path or max_tokens is set"));
  PIVOT_RETURN_IF_ERROR(CheckTextPath(evaluation.text_path(), "text_path", fields, paths));
  return fields.NotNegative(evaluation.max_tokens(), "max_tokens");
}

absl::Status CheckComputeDtype(v1::ComputeDtype dtype, const Fields& fields) {
  return fields.Require(v1::ComputeDtype_IsValid(dtype), "compute_dtype", "one that this server knows");
}

absl::Status CheckRefine(const v1::RefineOptions& options, const Fields& fields) {
  PIVOT_RETURN_IF_ERROR(
      fields.Require(v1::RefineStages_IsValid(options.stages()), "stages", "stages that this server knows"));
  PIVOT_RETURN_IF_ERROR(fields.NotNegative(options.step_tokens(), "step_tokens"));
  PIVOT_RETURN_IF_ERROR(fields.NotNegative(options.block_steps(), "block_steps"));
  return fields.NotNegative(options.global_epochs(), "global_epochs");
}

absl::Status CheckCompress(const v1::CompressTask& task, const Fields& fields, const AllowedPaths& paths) {
  PIVOT_RETURN_IF_ERROR(CheckSource(task.source(), fields.Below("source"), paths));
  const bool bits = task.bits() == 0 || (task.bits() >= 2 && task.bits() <= 8);
  PIVOT_RETURN_IF_ERROR(fields.Require(bits, "bits", "from 2 to 8"));
  PIVOT_RETURN_IF_ERROR(fields.NotNegative(task.max_bytes(), "max_bytes"));
  PIVOT_RETURN_IF_ERROR(fields.NotNegative(task.vram_bytes(), "vram_bytes"));
  PIVOT_RETURN_IF_ERROR(fields.NotNegative(task.context_tokens(), "context_tokens"));
  PIVOT_RETURN_IF_ERROR(
      fields.Require(v1::PlanKind_IsValid(task.plan_kind()), "plan_kind", "one that this server knows"));
  PIVOT_RETURN_IF_ERROR(
      fields.Require(task.group_size() >= -1, "group_size", "-1 (the whole row), 0 (automatic) or more"));
  PIVOT_RETURN_IF_ERROR(CheckQuantize(task.quantize(), fields.Below("quantize")));
  PIVOT_RETURN_IF_ERROR(CheckRefine(task.refine(), fields.Below("refine")));
  PIVOT_RETURN_IF_ERROR(CheckCalibration(task.calibration(), fields.Below("calibration"), paths));
  PIVOT_RETURN_IF_ERROR(CheckEvaluation(task.evaluation(), fields.Below("evaluation"), paths));
  const bool format = v1::Format_IsValid(task.format()) && task.format() != v1::FORMAT_BF16;
  PIVOT_RETURN_IF_ERROR(fields.Require(format, "format", "a format of quantized weights that this server knows"));
  return CheckComputeDtype(task.compute_dtype(), fields);
}

absl::Status CheckEvaluate(const v1::EvaluateTask& task, const Fields& fields, const AllowedPaths& paths) {
  PIVOT_RETURN_IF_ERROR(CheckSource(task.source(), fields.Below("source"), paths));
  if (task.has_reference()) PIVOT_RETURN_IF_ERROR(CheckSource(task.reference(), fields.Below("reference"), paths));
  const bool both = !task.text_path().empty() && !task.tokens_path().empty();
  PIVOT_RETURN_IF_ERROR(fields.Require(!both, "tokens_path", "empty when text_path is set"));
  const bool unused_key = !task.text_key().empty() && !task.tokens_path().empty();
  PIVOT_RETURN_IF_ERROR(fields.Require(!unused_key, "text_key", "empty when tokens_path is set"));
  PIVOT_RETURN_IF_ERROR(CheckTextPath(task.text_path(), "text_path", fields, paths));
  PIVOT_RETURN_IF_ERROR(CheckTextPath(task.tokens_path(), "tokens_path", fields, paths));
  PIVOT_RETURN_IF_ERROR(fields.NotNegative(task.max_tokens(), "max_tokens"));
  return CheckComputeDtype(task.compute_dtype(), fields);
}

absl::Status CheckConvert(const v1::ConvertTask& task, const Fields& fields, const AllowedPaths& paths) {
  PIVOT_RETURN_IF_ERROR(CheckSource(task.source(), fields.Below("source"), paths));
  PIVOT_RETURN_IF_ERROR(fields.Require(v1::Format_IsValid(task.format()), "format", "a format that this server knows"));
  return fields.NotNegative(task.shard_bytes(), "shard_bytes");
}

absl::Status CheckGenerate(const v1::GenerateTask& task, const Fields& fields, const AllowedPaths& paths) {
  PIVOT_RETURN_IF_ERROR(CheckSource(task.source(), fields.Below("source"), paths));
  const bool prompt = !task.prompt().empty() && task.prompt().size() <= kMaxPromptBytes;
  PIVOT_RETURN_IF_ERROR(fields.Require(prompt, "prompt", "1 byte to 32 KiB long"));
  const bool max_tokens = task.max_tokens() >= 0 && task.max_tokens() <= kMaxGeneratedTokens;
  PIVOT_RETURN_IF_ERROR(fields.Require(max_tokens, "max_tokens", "0 (for the default) to 4096"));
  return CheckComputeDtype(task.compute_dtype(), fields);
}

absl::Status CheckTask(const v1::JobSpec& spec, const Fields& fields, const AllowedPaths& paths) {
  switch (spec.task_case()) {
    case v1::JobSpec::kCompress:
      return CheckCompress(spec.compress(), fields.Below("compress"), paths);
    case v1::JobSpec::kEvaluate:
      return CheckEvaluate(spec.evaluate(), fields.Below("evaluate"), paths);
    case v1::JobSpec::kConvert:
      return CheckConvert(spec.convert(), fields.Below("convert"), paths);
    case v1::JobSpec::kGenerate:
      return CheckGenerate(spec.generate(), fields.Below("generate"), paths);
    case v1::JobSpec::TASK_NOT_SET:
      break;
  }
  return InvalidSpec("job.spec", "job.spec must have a task: compress, evaluate, convert or generate");
}

absl::Status CheckTimeLimits(const v1::JobSpec& spec, const Fields& fields) {
  constexpr absl::string_view kRule = "above 0 and at most 365 days, or absent";
  PIVOT_RETURN_IF_ERROR(
      fields.Require(!spec.has_run_timeout() || IsTimeLimit(spec.run_timeout()), "run_timeout", kRule));
  PIVOT_RETURN_IF_ERROR(
      fields.Require(!spec.has_queue_timeout() || IsTimeLimit(spec.queue_timeout()), "queue_timeout", kRule));
  return fields.Require(!spec.has_ttl() || IsTimeLimit(spec.ttl()), "ttl", kRule);
}

}  // namespace

bool IsTimeLimit(const google::protobuf::Duration& duration) {
  const absl::Duration time = FromDuration(duration);
  return time > absl::ZeroDuration() && time <= kMaxTimeLimit;
}

absl::Status CheckSpec(const v1::JobSpec& spec, const AllowedPaths& paths) {
  const bool short_enough = spec.ByteSizeLong() <= kMaxSpecBytes;
  PIVOT_RETURN_IF_ERROR(
      Fields("job").Require(short_enough, "spec", absl::StrCat("at most ", kMaxSpecBytes, " bytes long")));
  const Fields fields("job.spec");
  PIVOT_RETURN_IF_ERROR(fields.Require(IsDeviceName(spec.device()), "device", "auto, cpu or cuda:N"));
  PIVOT_RETURN_IF_ERROR(
      fields.Require(spec.priority() >= 0 && spec.priority() <= 100, "priority", "0 (for the default, 50) to 100"));
  PIVOT_RETURN_IF_ERROR(CheckTimeLimits(spec, fields));
  PIVOT_RETURN_IF_ERROR(CheckTask(spec, fields, paths));
  return Fields("job").Require(ToJson(spec).dump().size() <= kMaxJsonBytes, "spec",
                               absl::StrCat("at most ", kMaxJsonBytes, " bytes long as JSON"));
}

}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "client/commands/compress_flags.h"

#include <limits>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"

#include "client/commands/flags.h"
#include "client/exit_code.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

constexpr int64_t kMaxCount = std::numeric_limits<int32_t>::max();

// Of pivot.v1.CompressTask.group_size.
constexpr int64_t kWholeRow = -1;

absl::StatusOr<int64_t> ParseGroupSize(const std::string& text) {
  if (text == "row" || text == "-1") return kWholeRow;
  const auto columns = ParseAutoOr("--group-size", text, kMaxCount);
  if (columns.ok()) return columns;
  return UsageError(absl::StrCat("--group-size is \"", text, "\"; allowed: auto, row, or a number of columns"),
                    "--group-size");
}

absl::Status FillQuantize(const CompressFlags& flags, v1::QuantizeOptions* quantize) {
  PIVOT_ASSIGN_OR_RETURN(
      const v1::Method method,
      ParseChoice<v1::Method>("--method", flags.method, {{"gptq", v1::METHOD_GPTQ}, {"rtn", v1::METHOD_RTN}}));
  PIVOT_ASSIGN_OR_RETURN(
      const v1::ClipSearch clip,
      ParseChoice<v1::ClipSearch>("--clip", flags.clip,
                                  {{"none", v1::CLIP_SEARCH_NONE}, {"conditional", v1::CLIP_SEARCH_CONDITIONAL}}));
  PIVOT_ASSIGN_OR_RETURN(const v1::ActOrder act_order,
                         ParseChoice<v1::ActOrder>("--act-order", flags.act_order,
                                                   {{"none", v1::ACT_ORDER_NONE}, {"weight", v1::ACT_ORDER_WEIGHT}}));
  PIVOT_ASSIGN_OR_RETURN(
      const v1::ScaleSigns signs,
      ParseChoice<v1::ScaleSigns>("--scale-signs", flags.scale_signs,
                                  {{"positive", v1::SCALE_SIGNS_POSITIVE}, {"either", v1::SCALE_SIGNS_EITHER}}));
  quantize->set_scale_signs(signs);
  quantize->set_method(method);
  quantize->set_clip_search(clip);
  quantize->set_act_order(act_order);
  if (flags.percdamp.has_value()) {
    if (!(*flags.percdamp > 0)) {
      return UsageError(absl::StrCat("--percdamp is ", *flags.percdamp, "; allowed: above 0 up to 1"), "--percdamp");
    }
    PIVOT_RETURN_IF_ERROR(CheckRange("--percdamp", *flags.percdamp, 0, 1));
    quantize->set_percdamp(*flags.percdamp);
  }
  if (flags.qep.has_value()) {
    PIVOT_RETURN_IF_ERROR(CheckRange("--qep", *flags.qep, 0, 1));
    quantize->set_qep_alpha(*flags.qep);
  }
  if (flags.regularization.has_value()) {
    PIVOT_RETURN_IF_ERROR(CheckRange("--regularization", *flags.regularization, 0, 100));
    quantize->set_regularization(*flags.regularization);
  }
  if (flags.refine_sweeps.has_value()) {
    PIVOT_RETURN_IF_ERROR(CheckRange("--refine-sweeps", static_cast<double>(*flags.refine_sweeps), 0, 100));
    quantize->set_refine_sweeps(static_cast<int32_t>(*flags.refine_sweeps));
  }
  return absl::OkStatus();
}

absl::Status FillCalibration(const CompressFlags& flags, v1::Calibration* calibration) {
  PIVOT_ASSIGN_OR_RETURN(const int64_t samples, ParseAutoOr("--samples", flags.samples, kMaxCount));
  PIVOT_ASSIGN_OR_RETURN(const int64_t length, ParseAutoOr("--seq-len", flags.seq_len, kMaxCount));
  calibration->set_num_samples(static_cast<int32_t>(samples));
  calibration->set_sequence_length(static_cast<int32_t>(length));
  calibration->set_seed(flags.seed);
  PIVOT_ASSIGN_OR_RETURN(const v1::SamplingStrategy strategy,
                         ParseChoice<v1::SamplingStrategy>("--calibration-strategy", flags.strategy,
                                                           {{"concat_rand", v1::SAMPLING_STRATEGY_CONCAT_RAND},
                                                            {"concat_chunk", v1::SAMPLING_STRATEGY_CONCAT_CHUNK},
                                                            {"drop_rand", v1::SAMPLING_STRATEGY_DROP_RAND},
                                                            {"drop_head", v1::SAMPLING_STRATEGY_DROP_HEAD}}));
  calibration->set_strategy(strategy);
  calibration->set_quality_filter(flags.quality_filter);
  PIVOT_RETURN_IF_ERROR(CheckTextKey("--text-key", flags.text_key, flags.calibration));
  calibration->set_text_key(flags.text_key);
  if (flags.calibration.empty()) return absl::OkStatus();
  PIVOT_ASSIGN_OR_RETURN(*calibration->mutable_text_path(),
                         TextPathFor(flags.server.address, flags.calibration, "calibration text"));
  return absl::OkStatus();
}

absl::Status FillEvaluation(const CompressFlags& flags, v1::Evaluation* evaluation) {
  if (flags.eval_tokens < 0) {
    return UsageError(
        absl::StrCat("--eval-tokens is ", flags.eval_tokens, "; allowed: 1 and more, or 0 for the default"),
        "--eval-tokens");
  }
  if (flags.eval == "none") {
    if (flags.eval_tokens > 0)
      return UsageError("--eval none measures nothing: leave out --eval-tokens", "--eval-tokens");
    if (!flags.eval_text_key.empty())
      return UsageError("--eval none measures nothing: leave out --eval-text-key", "--eval-text-key");
    evaluation->set_skip(true);
    return absl::OkStatus();
  }
  evaluation->set_max_tokens(flags.eval_tokens);
  PIVOT_RETURN_IF_ERROR(CheckTextKey("--eval-text-key", flags.eval_text_key, flags.eval));
  evaluation->set_text_key(flags.eval_text_key);
  if (flags.eval.empty()) return absl::OkStatus();
  PIVOT_ASSIGN_OR_RETURN(*evaluation->mutable_text_path(),
                         TextPathFor(flags.server.address, flags.eval, "evaluation text"));
  return absl::OkStatus();
}

}  // namespace

void AddCompressFlags(CLI::App& app, CompressFlags* flags) {
  app.add_option(
         "MODEL", flags->model,
         "a folder with config.json and safetensors, a GGUF file, or a model of the hub as hf://ORG/NAME[@REVISION]")
      ->required();
  AddBudgetFlags(app, &flags->budget);
  app.add_option(
      "--group-size", flags->group_size,
      "input columns that share a scale: auto, row, or a number that divides every layer's input (auto: the largest "
      "of 128, 64, 32 that does)");
  app.add_flag("--asymmetric", flags->asymmetric, "a zero point beside each scale; with 4 or 8 bits");
  app.add_option("--format", flags->format,
                 "of the result: compressed-tensors, gptq, gptq_v2, both (a folder each of compressed-tensors and "
                 "gptq), gguf, fp8, nvfp4, mxfp4 or mixed_gptq, OneComp's (compressed-tensors)");
  app.add_option("--method", flags->method, "gptq or rtn (gptq)");
  app.add_option("--percdamp", flags->percdamp, "damping, a fraction above 0 up to 1 (0.01)");
  app.add_option("--qep", flags->qep, "share of the quantization error so far that a layer makes good, 0 to 1 (0.35)");
  app.add_option("--regularization", flags->regularization, "how little to trust the calibration text, 0 to 100 (1)");
  app.add_option("--refine-sweeps", flags->refine_sweeps, "sweeps that improve codes and scales behind GPTQ (4)");
  app.add_option("--clip", flags->clip, "how a group's range is chosen: none or conditional (conditional)");
  app.add_option("--scale-signs", flags->scale_signs, "of symmetric groups: positive or either (either)");
  app.add_option("--act-order", flags->act_order, "order of columns: none or weight (weight)");
  app.add_option("--refine", flags->refine,
                 "stages that make the first checkpoint better: none, blockwise, global (block-wise first) or auto, "
                 "which is global below 4 bits (none)");
  app.add_option("--calibration", flags->calibration,
                 "a file to gather statistics on: text, .jsonl, .json, .csv, .tsv, .parquet or .arrow (built-in text)");
  app.add_option("--text-key", flags->text_key,
                 "its member (a.b for b in a) or column that holds the document (text, messages, conversations or "
                 "input_ids)");
  app.add_option("--calibration-strategy", flags->strategy,
                 "how windows are taken of documents: concat_rand, concat_chunk, drop_rand or drop_head (concat_rand)");
  app.add_flag("--quality-filter", flags->quality_filter, "leave out documents that are not English prose");
  app.add_option("--samples", flags->samples,
                 "calibration windows: auto or a number (auto: 512 on a GPU, 64 on the CPU)");
  app.add_option("--seq-len", flags->seq_len,
                 "tokens a window: auto or a number (auto: 2048 on a GPU, 512 on the CPU)");
  app.add_option("--seed", flags->seed, "of the choice of windows (0)");
  app.add_option("--eval", flags->eval, "a file to measure quality on, as --calibration, or none (built-in text)");
  app.add_option("--eval-text-key", flags->eval_text_key, "as --text-key, of the file of --eval");
  app.add_option("--eval-tokens", flags->eval_tokens, "leading tokens of it to use (all on a GPU, 32768 on the CPU)");
  AddDeviceFlag(app, &flags->device);
  AddDtypeFlag(app, &flags->dtype);
  AddServerFlag(app, &flags->server);
}

absl::StatusOr<v1::JobSpec> SpecOf(const CompressFlags& flags, ModelFinder* finder) {
  v1::JobSpec spec;
  v1::CompressTask& task = *spec.mutable_compress();
  PIVOT_ASSIGN_OR_RETURN(const v1::Format format, ParseFormat(flags.format));
  if (format == v1::FORMAT_BF16) {
    return UsageError(
        "--format bf16 is for pivot convert; allowed: compressed-tensors, gptq, gptq_v2, both, gguf, fp8, nvfp4, "
        "mxfp4, "
        "mixed_gptq",
        "--format");
  }
  task.set_format(format);
  PIVOT_RETURN_IF_ERROR(FillBudget(flags.budget, &task));
  PIVOT_ASSIGN_OR_RETURN(const int64_t group_size, ParseGroupSize(flags.group_size));
  task.set_group_size(static_cast<int32_t>(group_size));
  task.set_asymmetric(flags.asymmetric);
  PIVOT_RETURN_IF_ERROR(FillQuantize(flags, task.mutable_quantize()));
  PIVOT_ASSIGN_OR_RETURN(const v1::RefineStages stages,
                         ParseChoice<v1::RefineStages>("--refine", flags.refine,
                                                       {{"auto", v1::REFINE_STAGES_AUTO},
                                                        {"none", v1::REFINE_STAGES_NONE},
                                                        {"blockwise", v1::REFINE_STAGES_BLOCKWISE},
                                                        {"global", v1::REFINE_STAGES_GLOBAL}}));
  if (stages != v1::REFINE_STAGES_NONE) task.mutable_refine()->set_stages(stages);
  PIVOT_ASSIGN_OR_RETURN(const v1::ComputeDtype dtype, ParseDtype(flags.dtype));
  task.set_compute_dtype(dtype);
  PIVOT_ASSIGN_OR_RETURN(*spec.mutable_device(), ParseDevice(flags.device));
  // Files last: a wrong flag is wrong wherever the command runs.
  PIVOT_RETURN_IF_ERROR(FillCalibration(flags, task.mutable_calibration()));
  PIVOT_RETURN_IF_ERROR(FillEvaluation(flags, task.mutable_evaluation()));
  PIVOT_ASSIGN_OR_RETURN(*task.mutable_source()->mutable_path(), finder->PathFor(flags.server.address, flags.model));
  return spec;
}

}  // namespace pivot::client

// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/conversion.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "engine/format/output_format.h"
#include "engine/model/block_linears.h"
#include "engine/model/json.h"
#include "engine/plan/compress_spec.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

// What every reader of GPTQ's words asks of both sides of a matrix.
constexpr int64_t kGptqMultiple = 32;

absl::Status InvalidSpec(absl::string_view field, absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat(field, " ", problem)), "INVALID_SPEC",
                    absl::StrCat("job.spec.convert.", field));
}

absl::Status CannotExpress(absl::string_view problem) {
  return WithReason(absl::FailedPreconditionError(problem), "FORMAT_CANNOT_EXPRESS");
}

/// Calls `visit(module, shape, storage)` for each linear that is stored as codes, until it fails.
template <typename Visit>
absl::Status VisitQuantized(const CheckpointFolder& folder, const Visit& visit) {
  const ModelConfig& config = folder.model.config();
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const auto& [module, role, expert, shape, has_bias] : BlockLinears(config, block)) {
      const auto storage = folder.StorageOf(module, shape);
      if (storage.has_value()) PIVOT_RETURN_IF_ERROR(visit(module, shape, *storage));
    }
  }
  return absl::OkStatus();
}

/// What is written has one scheme for all experts of a block.
absl::Status CheckExperts(const CheckpointFolder& folder) {
  const ModelConfig& config = folder.model.config();
  if (config.experts.count == 0 || !folder.quantization.has_value()) return absl::OkStatus();
  const ModelSchemes schemes = folder.Schemes();
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const auto& [module, role, expert, shape, has_bias] : BlockLinears(config, block)) {
      const auto found = folder.StorageOf(module, shape);
      const auto& first = schemes.at(block, role);
      const bool is_alike = found.has_value() ? first.has_value() && first->ForRow(shape.in_features) == found->scheme
                                              : !first.has_value();
      if (!is_alike) return CannotExpress(absl::StrCat(module, " has another scheme than the block's first expert"));
    }
  }
  return absl::OkStatus();
}

/// compressed-tensors keeps the type that the scales have, so that nothing is rounded.
Dtype ScaleDtype(const CheckpointFolder& folder) {
  Dtype dtype = Dtype::kBfloat16;
  const absl::Status ignored =
      VisitQuantized(folder, [&](const std::string& module, LinearShape, const LinearStorage& storage) {
        if (storage.layout == CodeLayout::kGguf) dtype = Dtype::kFloat16;
        const TensorInfo* info =
            folder.model.Find(storage.is_gptq() ? module + ".scales" : ScaleTensorName(module, storage));
        if (info != nullptr && !storage.scheme.is_float4()) dtype = info->dtype;
        return absl::OkStatus();
      });
  return dtype;
}

/// One file; other formats do not enter.
absl::StatusOr<Conversion> PlanGgufConversion(const CheckpointFolder& source, int64_t shard_bytes) {
  if (shard_bytes > 0) return InvalidSpec("shard_bytes", "must be 0: a GGUF file is not cut");
  Conversion conversion{.form = {.layout = CodeLayout::kGguf}, .schemes = source.Schemes()};
  conversion.shards = {{.file_name = kGgufFileName, .tensors = {}}};
  PIVOT_ASSIGN_OR_RETURN(conversion.gguf, PlanGguf(source));
  return conversion;
}

}  // namespace

int64_t Conversion::weight_bytes() const {
  if (gguf.has_value()) return gguf->file_bytes();
  int64_t bytes = 0;
  for (const OutputShard& shard : shards) bytes += LayOutSafetensors(shard.tensors).file_bytes;
  return bytes;
}

std::string WhyNotExpressible(LinearShape shape, const WeightScheme& scheme, CodeLayout layout) {
  if (layout == CodeLayout::kGguf) return WhyNotBlocks(shape, scheme);
  if (!IsGptqLayout(layout)) return "";
  if (!scheme.is_integer()) return absl::StrCat("has ", CodeTypeName(scheme.type), " codes; GPTQ has integers");
  if (scheme.bits != 2 && scheme.bits != 3 && scheme.bits != 4 && scheme.bits != 8)
    return absl::StrCat("has ", scheme.bits, " bits; GPTQ has 2, 3, 4 and 8");
  if (layout != CodeLayout::kGptqV2 && !scheme.is_symmetric())
    return "has zero points, which readers of GPTQ v1 do not agree about; gptq_v2 has room for them";
  if (shape.in_features % kGptqMultiple != 0 || shape.out_features % kGptqMultiple != 0) {
    return absl::StrCat("is [", shape.out_features, ", ", shape.in_features, "]; GPTQ needs multiples of ",
                        kGptqMultiple);
  }
  return "";
}

absl::StatusOr<std::map<std::string, std::string>> ConfigurationTexts(const ModelFolder& source,
                                                                      const ModelSchemes& schemes, CodeLayout layout) {
  const auto quantization = QuantizationConfigJson(source.config(), schemes, layout);
  std::map<std::string, std::string> texts;
  PIVOT_ASSIGN_OR_RETURN(texts["config.json"], WithQuantizationConfig(source.config_text(), quantization));
  const bool has_twin = layout == CodeLayout::kGptqV1 || layout == CodeLayout::kGptqV2;
  if (has_twin) texts["quantize_config.json"] = quantization.dump(2) + "\n";
  return texts;
}

absl::StatusOr<ConversionSpec> ResolveConversion(const json& task) {
  JsonFields fields(task, "convert");
  ConversionSpec spec;
  PIVOT_ASSIGN_OR_RETURN(spec.source_path, SourcePath(task));
  const std::string format = fields.OptionalText("format").value_or("compressed_tensors");
  spec.shard_bytes = fields.OptionalInteger("shard_bytes").value_or(0);
  PIVOT_RETURN_IF_ERROR(fields.status());
  if (FloatScheme(format).has_value()) {
    return InvalidSpec(
        "format", absl::StrCat("is ", format, ", which takes quantizing anew: pivot compress MODEL --format ", format,
                               " makes it of the original model"));
  }
  spec.layouts = LayoutsOf(format == "unspecified" ? "compressed_tensors" : format);
  if (spec.layouts.empty()) {
    return InvalidSpec(
        "format",
        absl::StrCat("is \"", format, "\"; allowed: compressed_tensors, gptq, gptq_v2, bf16, both, mixed_gptq, gguf"));
  }
  if (spec.shard_bytes < 0) return InvalidSpec("shard_bytes", "must be 0 (a shard for each decoder block) or more");
  return spec;
}

absl::StatusOr<Conversion> PlanConversion(const CheckpointFolder& source, CodeLayout layout, int64_t shard_bytes) {
  if (layout == CodeLayout::kGguf) return PlanGgufConversion(source, shard_bytes);
  Conversion conversion{.form = {.layout = layout, .scale_dtype = ScaleDtype(source)}, .schemes = source.Schemes()};
  const bool is_plain = conversion.schemes.Distinct().empty();
  if (is_plain && layout != CodeLayout::kPlainBf16) {
    return CannotExpress(
        absl::StrCat(source.model.path(), " is not quantized; pivot compress makes a quantized model of it"));
  }
  if (source.quantization.has_value() && source.quantization->quantizes_activations() &&
      layout != CodeLayout::kPlainBf16) {
    return CannotExpress(absl::StrCat(source.model.path(),
                                      " has runtimes quantize activations too, which only its own "
                                      "format says; it can be converted to bf16"));
  }
  PIVOT_RETURN_IF_ERROR(CheckExperts(source));
  PIVOT_RETURN_IF_ERROR(
      VisitQuantized(source, [&](const std::string& module, LinearShape shape, const LinearStorage& storage) {
        const std::string why = WhyNotExpressible(shape, storage.scheme, layout);
        return why.empty() ? absl::OkStatus() : CannotExpress(absl::StrCat(module, " ", why));
      }));
  // Its norms and others are wider than the model's were, or blocks.
  if (source.model.gguf() != nullptr && layout == CodeLayout::kPlainBf16) conversion.form.kept_dtype = Dtype::kBfloat16;
  conversion.shards = OutputShards(source.model, conversion.schemes, conversion.form);
  if (shard_bytes > 0) conversion.shards = MergeShards(std::move(conversion.shards), shard_bytes);
  PIVOT_ASSIGN_OR_RETURN(conversion.texts, ConfigurationTexts(source.model, conversion.schemes, layout));
  return conversion;
}

absl::StatusOr<std::vector<Conversion>> PlanConversions(const CheckpointFolder& source, const ConversionSpec& spec) {
  PIVOT_RETURN_IF_ERROR(
      VisitQuantized(source, [&](const std::string& module, LinearShape, const LinearStorage& storage) {
        const std::string why = WhyNotInAll(storage.scheme, spec.layouts);
        return why.empty() ? absl::OkStatus() : CannotExpress(absl::StrCat(module, " ", why));
      }));
  std::vector<Conversion> conversions;
  for (const CodeLayout layout : spec.layouts) {
    PIVOT_ASSIGN_OR_RETURN(Conversion conversion, PlanConversion(source, layout, spec.shard_bytes));
    conversions.push_back(std::move(conversion));
  }
  return conversions;
}

}  // namespace pivot

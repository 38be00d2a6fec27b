// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/gguf_plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/model/gguf/gguf_model.h"
#include "engine/model/gguf/gguf_names.h"
#include "engine/model/gguf/gguf_vocabulary.h"
#include "engine/model/model_shapes.h"
#include "engine/plan/output_layout.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr int64_t kBlockColumns = 32;
constexpr uint32_t kQuantizationVersion = 2;
constexpr uint32_t kAlignment = 32;

absl::Status CannotExpress(absl::string_view problem) {
  return WithReason(absl::FailedPreconditionError(problem), "FORMAT_CANNOT_EXPRESS");
}

/// llama_ftype of llama.h.
uint32_t FileType(GgmlType type) {
  switch (type) {
    case GgmlType::kFloat32:
      return 0;
    case GgmlType::kFloat16:
      return 1;
    case GgmlType::kQ4_0:
      return 2;
    case GgmlType::kQ4_1:
      return 3;
    case GgmlType::kQ8_0:
      return 7;
    case GgmlType::kQ5_0:
      return 8;
    case GgmlType::kQ5_1:
      return 9;
    case GgmlType::kQ2_K:
      return 10;
    case GgmlType::kQ3_K:
      return 12;
    case GgmlType::kQ4_K:
      return 15;
    case GgmlType::kQ5_K:
      return 17;
    case GgmlType::kQ6_K:
      return 18;
    case GgmlType::kBfloat16:
      return 32;
  }
  return 0;
}

GgmlType TypeOf(const TensorInfo& info) {
  // llama.cpp wants vectors in full.
  if (info.dtype == Dtype::kFloat32 || info.shape.size() < 2) return GgmlType::kFloat32;
  return info.dtype == Dtype::kFloat16 ? GgmlType::kFloat16 : GgmlType::kBfloat16;
}

/// The text of a file that need not be there.
absl::StatusOr<std::string> OptionalText(const ModelFolder& folder, const std::string& name) {
  auto text = folder.ReadOtherFile(name);
  return absl::IsNotFound(text.status()) ? std::string() : std::move(text);
}

/// What the keys below cannot say.
absl::Status CheckExpressible(const ModelConfig& config) {
  if (config.rope.kind == RopeKind::kDefault && config.rope.rotary_dim == config.head_dim && config.sliding_window == 0)
    return absl::OkStatus();
  return CannotExpress(
      "a model whose rotary embedding is stretched or partial, or whose attention slides, has no keys here");
}

absl::Status AddFamily(const ModelConfig& config, const GgufFamily& family, GgufValues& values) {
  PIVOT_RETURN_IF_ERROR(CheckExpressible(config));
  const auto add = [&](absl::string_view key, int64_t value) {
    values.AddInteger(absl::StrCat(family.architecture, ".", key), static_cast<uint32_t>(value));
  };
  add("block_count", config.num_blocks);
  add("context_length", config.max_positions);
  add("embedding_length", config.hidden_size);
  add("feed_forward_length", config.intermediate_size);
  add("attention.head_count", config.num_heads);
  add("attention.head_count_kv", config.num_kv_heads);
  add("attention.key_length", config.head_dim);
  add("attention.value_length", config.head_dim);
  add("rope.dimension_count", config.head_dim);
  add("vocab_size", config.vocab_size);
  values.AddNumber(absl::StrCat(family.architecture, ".attention.layer_norm_rms_epsilon"),
                   static_cast<float>(config.norm_eps));
  values.AddNumber(absl::StrCat(family.architecture, ".rope.freq_base"), static_cast<float>(config.rope.theta));
  return absl::OkStatus();
}

absl::StatusOr<GgufValues> Metadata(const ModelFolder& source, const GgufFamily& family) {
  GgufValues values;
  values.AddText("general.architecture", family.architecture);
  values.AddText("general.type", "model");
  values.AddText("general.name", source.name());
  values.AddInteger("general.quantization_version", kQuantizationVersion);
  values.AddInteger("general.alignment", kAlignment);
  PIVOT_RETURN_IF_ERROR(AddFamily(source.config(), family, values));
  TokenizerTexts texts{.config_json = source.config_text()};
  PIVOT_ASSIGN_OR_RETURN(texts.tokenizer_json, OptionalText(source, "tokenizer.json"));
  PIVOT_ASSIGN_OR_RETURN(texts.tokenizer_config_json, OptionalText(source, "tokenizer_config.json"));
  PIVOT_ASSIGN_OR_RETURN(texts.chat_template, OptionalText(source, "chat_template.jinja"));
  PIVOT_RETURN_IF_ERROR(AddTokenizer(texts, source.config().vocab_size, values));
  return values;
}

/// Goes through the model in the order of its forward pass.
class Planner {
 public:
  enum class Scales { kOfTheFolder, kToBeMade };

  Planner(const ModelFolder& source, const ModelSchemes& schemes, Scales scales)
      : source_(source),
        schemes_(schemes),
        scales_are_known_(scales == Scales::kOfTheFolder),
        stored_(scales_are_known_ ? source.gguf() : nullptr),
        config_(source.config()) {}

  absl::StatusOr<std::vector<GgufTensorPlan>> Tensors() {
    const Architecture& architecture = *config_.architecture;
    PIVOT_RETURN_IF_ERROR(AddTensor(std::string(architecture.embedding)));
    for (int block = 0; block < config_.num_blocks; ++block) {
      const std::vector<NamedShape> norms = NormTensors(config_, block);
      PIVOT_RETURN_IF_ERROR(AddTensor(norms.front().name));
      for (const LinearEntry& linear : architecture.linears) PIVOT_RETURN_IF_ERROR(AddLinear(block, linear));
      for (size_t i = 1; i < norms.size(); ++i) PIVOT_RETURN_IF_ERROR(AddTensor(norms[i].name));
    }
    PIVOT_RETURN_IF_ERROR(AddTensor(absl::StrCat(architecture.final_norm, ".weight")));
    if (!config_.tied_embeddings) PIVOT_RETURN_IF_ERROR(AddTensor(std::string(architecture.head)));
    return std::move(tensors_);
  }

 private:
  absl::Status AddTensor(const std::string& name) {
    const TensorInfo* info = source_.Find(name);
    if (info == nullptr) return absl::InvalidArgumentError(absl::StrCat("there is no tensor ", name));
    GgmlType type = TypeOf(*info);
    if (stored_ != nullptr) type = stored_->entries().at(name).stored->type;
    tensors_.push_back(
        {.spec = {.name = *GgufTensorName(*config_.architecture, name), .type = type, .shape = info->shape},
         .source = name});
    return absl::OkStatus();
  }

  absl::Status AddLinear(int block, const LinearEntry& linear) {
    const std::string module = BlockPrefix(*config_.architecture, block) + std::string(linear.name);
    const auto& scheme = schemes_.at(block, linear.role);
    PIVOT_RETURN_IF_ERROR(scheme.has_value() ? AddQuantized(module, ShapeOf(config_, linear.role), *scheme)
                                             : AddTensor(module + ".weight"));
    return HasBias(config_, linear.bias) ? AddTensor(module + ".bias") : absl::OkStatus();
  }

  absl::Status AddQuantized(const std::string& module, LinearShape shape, const WeightScheme& scheme) {
    GgufTensorPlan plan{.spec = {.name = *GgufTensorName(*config_.architecture, module + ".weight"),
                                 .shape = {shape.out_features, shape.in_features}},
                        .source = module,
                        .is_module = true};
    if (stored_ != nullptr) {
      plan.spec.type = stored_->entries().at(absl::StrCat(module, kGgufBlocks)).stored->type;
    } else {
      const std::string why = WhyNotBlocks(shape, scheme);
      if (!why.empty()) return CannotExpress(absl::StrCat(module, " ", why));
      plan.spec.type = BlocksFor(scheme);
      if (scales_are_known_ && plan.spec.type == GgmlType::kQ4_1) {
        plan.spec.type = GgmlType::kQ8_0;
        plan.choice = BlockChoice::kQ4_1OrQ8_0;
      }
    }
    tensors_.push_back(std::move(plan));
    return absl::OkStatus();
  }

  const ModelFolder& source_;
  const ModelSchemes& schemes_;
  bool scales_are_known_;
  const GgufModel* stored_;  // the file whose tensors are copied, or null
  const ModelConfig& config_;
  std::vector<GgufTensorPlan> tensors_;
};

absl::StatusOr<GgufPlan> PlanOf(const ModelFolder& source, const ModelSchemes& schemes, Planner::Scales scales) {
  const Architecture& architecture = *source.config().architecture;
  const GgufFamily* family = source.config().found == nullptr ? GgufFamilyOf(architecture) : nullptr;
  if (family == nullptr)
    return CannotExpress(absl::StrCat("GGUF files of ", architecture.model_type, " are not written"));
  GgufPlan plan;
  PIVOT_ASSIGN_OR_RETURN(plan.values, Metadata(source, *family));
  PIVOT_ASSIGN_OR_RETURN(plan.tensors, Planner(source, schemes, scales).Tensors());
  return plan;
}

}  // namespace

std::vector<GgufSpec> GgufPlan::Specs() const {
  std::vector<GgufSpec> specs;
  for (const GgufTensorPlan& tensor : tensors) specs.push_back(tensor.spec);
  return specs;
}

GgufValues GgufPlan::AllValues() const {
  std::map<uint32_t, int> counts;
  for (const GgufTensorPlan& tensor : tensors) {
    if (absl::StartsWith(tensor.spec.name, "blk.") && tensor.spec.shape.size() == 2)
      ++counts[FileType(tensor.spec.type)];
  }
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  GgufValues all = values;
  all.AddInteger("general.file_type", most == counts.end() ? 0 : most->first);
  return all;
}

std::string WhyNotBlocks(LinearShape shape, const WeightScheme& scheme) {
  if (!scheme.is_integer())
    return absl::StrCat("has ", CodeTypeName(scheme.type), " codes; blocks of GGUF have integers");
  const int64_t group = scheme.group_size == 0 ? shape.in_features : scheme.group_size;
  if (group % kBlockColumns != 0) return absl::StrCat("has groups of ", group, " columns; blocks of GGUF have 32");
  if (!scheme.is_symmetric() && scheme.bits == kMaxBits)
    return "has 8 bits and zero points, whose differences GGUF's Q8_0 has no room for";
  return "";
}

GgmlType BlocksFor(const WeightScheme& scheme) {
  if (scheme.bits > 4) return GgmlType::kQ8_0;
  return scheme.is_symmetric() ? GgmlType::kQ4_0 : GgmlType::kQ4_1;
}

absl::StatusOr<GgufPlan> PlanGguf(const CheckpointFolder& source) {
  return PlanOf(source.model, source.Schemes(), Planner::Scales::kOfTheFolder);
}

absl::StatusOr<GgufPlan> PlanGguf(const ModelFolder& source, const ModelSchemes& schemes) {
  return PlanOf(source, schemes, Planner::Scales::kToBeMade);
}

}  // namespace pivot

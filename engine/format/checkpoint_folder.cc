// SPDX-License-Identifier: Apache-2.0
#include "engine/format/checkpoint_folder.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "engine/model/block_linears.h"
#include "engine/model/found_model.h"
#include "engine/model/gguf/gguf_model.h"
#include "engine/model/json.h"
#include "engine/model/required_tensors.h"
#include "engine/model/stored_shape.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

/// Scales come in any floating dtype; g_idx and, of symmetric layers of compressed-tensors, nothing else may be absent.
void CheckStoredTensor(const CheckpointFolder& folder, const TensorSpec& expected, std::vector<std::string>& problems) {
  const TensorInfo* info = folder.model.Find(expected.name);
  if (info == nullptr) {
    if (!absl::EndsWith(expected.name, ".g_idx")) problems.push_back(absl::StrCat(expected.name, " is missing"));
    return;
  }
  const bool is_scale = expected.dtype == Dtype::kBfloat16 || expected.dtype == Dtype::kFloat16;
  const bool is_float =
      info->dtype == Dtype::kBfloat16 || info->dtype == Dtype::kFloat16 || info->dtype == Dtype::kFloat32;
  const bool dtype_fits = info->dtype == expected.dtype || (is_scale && is_float);
  // One number is written as [1] or as [].
  const bool is_one_number = info->shape.empty() && expected.shape == std::vector<int64_t>{1};
  if (dtype_fits && (info->shape == expected.shape || is_one_number)) return;
  problems.push_back(absl::StrCat(expected.name, " is ", DtypeName(info->dtype), " ", ShapeText(info->shape),
                                  " instead of ", DtypeName(expected.dtype), " ", ShapeText(expected.shape)));
}

void CheckStored(const CheckpointFolder& folder, const std::string& module, LinearShape shape,
                 const LinearStorage& storage, std::vector<std::string>& problems) {
  // Blocks of FP8 may be cut off at the edges.
  if (storage.scheme.type != CodeType::kFloat8 && shape.in_features % storage.scheme.group_size != 0) {
    problems.push_back(absl::StrCat(module, ": groups of ", storage.scheme.group_size, " do not divide its ",
                                    shape.in_features, " columns"));
    return;
  }
  for (const TensorSpec& expected : StoredTensors(module, shape, storage)) {
    CheckStoredTensor(folder, expected, problems);
  }
  if (storage.layout != CodeLayout::kPackQuantized || !storage.scheme.is_integer()) return;
  const auto stored = PackedShape(folder.model, module);
  if (stored.has_value() && (stored->out_features != shape.out_features || stored->in_features != shape.in_features)) {
    problems.push_back(absl::StrCat(module, ".weight_shape says [", stored->out_features, ", ", stored->in_features,
                                    "] instead of [", shape.out_features, ", ", shape.in_features, "]"));
  }
}

void CheckPlain(const CheckpointFolder& folder, const std::string& name, const std::vector<int64_t>& shape,
                std::vector<std::string>& problems) {
  const auto found = RequireTensor(folder.model, name, shape);
  if (!found.ok()) problems.emplace_back(found.status().message());
}

/// Values of E4M3 that no scales belong to.
bool IsNarrowEnd(const ModelFolder& model, const std::string& module) {
  const TensorInfo* info = model.Find(module + ".weight");
  return info != nullptr && info->dtype == Dtype::kFloat8E4M3 && model.Find(module + ".weight_scale") == nullptr &&
         model.Find(module + ".weight_scale_inv") == nullptr;
}

NarrowEnds EndsOf(const ModelFolder& model) {
  if (model.config().found != nullptr) return {};
  const std::string head = HeadModule(model.config());
  return {.embedding = IsNarrowEnd(model, EmbeddingModule(model.config())),
          .head = !head.empty() && IsNarrowEnd(model, head)};
}

void CheckOuter(const CheckpointFolder& folder, std::vector<std::string>& problems) {
  const ModelConfig& config = folder.model.config();
  const NarrowEnds ends = EndsOf(folder.model);
  for (const NamedShape& tensor : OuterTensors(config)) {
    if (!IsNarrow(config, ends, tensor.name)) {
      CheckPlain(folder, tensor.name, tensor.shape, problems);
      continue;
    }
    const TensorSpec expected{.name = tensor.name, .dtype = Dtype::kFloat8E4M3, .shape = tensor.shape};
    CheckStoredTensor(folder, expected, problems);
  }
}

void CheckBlock(const CheckpointFolder& folder, int block, std::vector<std::string>& problems) {
  const ModelConfig& config = folder.model.config();
  for (const NamedShape& kept : KeptTensors(config, block)) CheckPlain(folder, kept.name, kept.shape, problems);
  for (const auto& [module, role, expert, shape, has_bias] : BlockLinears(config, block)) {
    if (const auto storage = folder.StorageOf(module, shape); storage.has_value()) {
      CheckStored(folder, module, shape, *storage, problems);
    } else {
      CheckPlain(folder, module + ".weight", {shape.out_features, shape.in_features}, problems);
    }
    if (has_bias) CheckPlain(folder, module + ".bias", {shape.out_features}, problems);
  }
}

/// Elements that a tensor stands for and bits it takes, per module where the module is quantized.
struct Totals {
  double quantized_weights = 0;
  double quantized_bits = 0;
  double all_weights = 0;
  double all_bits = 0;
  std::map<std::tuple<CodeType, int, int64_t>, int> modules_by_scheme;
};

bool IsStoredPart(absl::string_view name) {
  const auto suffixes = StoredTensorSuffixes();
  return std::any_of(suffixes.begin(), suffixes.end(),
                     [name](absl::string_view end) { return absl::EndsWith(name, end); });
}

Totals CountWeights(const CheckpointFolder& folder) {
  const ModelConfig& config = folder.model.config();
  Totals totals;
  std::set<std::string> stored;
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const auto& [module, role, expert, shape, has_bias] : BlockLinears(config, block)) {
      const auto storage = folder.StorageOf(module, shape);
      if (!storage.has_value()) continue;
      const WeightScheme& scheme = storage->scheme;
      const double weights = static_cast<double>(shape.out_features) * static_cast<double>(shape.in_features);
      totals.quantized_weights += weights;
      totals.quantized_bits += weights * BitsPerWeight(shape, *storage);
      ++totals.modules_by_scheme[{scheme.type, scheme.bits, scheme.group_size}];
      for (const TensorSpec& tensor : StoredTensors(module, shape, *storage)) stored.insert(tensor.name);
    }
  }
  totals.all_weights = totals.quantized_weights;
  totals.all_bits = totals.quantized_bits;
  for (const auto& [name, location] : folder.model.tensors()) {
    if (stored.count(name) > 0 || IsStoredPart(name)) continue;
    totals.all_bits += 8.0 * static_cast<double>(location.info->bytes());
    totals.all_weights += static_cast<double>(NumElements(location.info->shape).value_or(0));
  }
  return totals;
}

/// quantization_config of config.json, null when there is none.
json QuantizationEntry(const ModelFolder& model) {
  const json config = json::parse(model.config_text(), nullptr, /*allow_exceptions=*/false);
  return config.is_object() ? config.value("quantization_config", json()) : json();
}

/// Whether models come so from those who trained them, or often are to be had in no other form.
bool IsSourceMethod(const json& quantization) {
  const json method = quantization.is_object() ? quantization.value("quant_method", json()) : json();
  return method == "fp8" || method == "gguf";
}

absl::string_view FormatOf(const CheckpointFolder& folder) {
  if (folder.model.gguf() != nullptr) return "gguf";
  if (!folder.quantization.has_value()) return "plain";
  if (folder.quantization->is_fp8()) return "fp8";
  return folder.quantization->is_gptq() ? "gptq" : "compressed-tensors";
}

absl::Status CheckTensors(const CheckpointFolder& folder) {
  const std::vector<std::string> problems = TensorProblems(folder);
  if (problems.empty()) return absl::OkStatus();
  const std::string more = problems.size() > 1 ? absl::StrCat(" (and ", problems.size() - 1, " more)") : "";
  return WithReason(absl::InvalidArgumentError(absl::StrCat(folder.model.path(), ": ", problems.front(), more)),
                    "MALFORMED_WEIGHTS");
}

}  // namespace

std::optional<LinearStorage> CheckpointFolder::StorageOf(absl::string_view module, LinearShape shape) const {
  if (!quantization.has_value()) return std::nullopt;
  auto storage = quantization->StorageOf(module);
  if (!storage.has_value()) return std::nullopt;
  const TensorInfo* weight = model.Find(absl::StrCat(module, ".weight"));
  const bool is_plain_in_gptq =
      storage->is_gptq() && weight != nullptr && model.Find(absl::StrCat(module, ".qweight")) == nullptr;
  const bool is_plain_in_fp8 = quantization->is_fp8() && weight != nullptr && weight->dtype != Dtype::kFloat8E4M3;
  if (is_plain_in_gptq || is_plain_in_fp8) return std::nullopt;
  // Of files with one scale either name is met.
  const bool has_inverse = model.Find(absl::StrCat(module, ".weight_scale_inv")) != nullptr;
  if (quantization->is_fp8() && (has_inverse || storage->scheme.row_group > 0))
    storage->float8_scale_name = Float8ScaleName::kWeightScaleInv;
  storage->scheme = storage->scheme.ForRow(shape.in_features);
  return storage;
}

ModelSchemes CheckpointFolder::Schemes() const {
  const ModelConfig& config = model.config();
  ModelSchemes schemes(config);
  schemes.SetEnds(EndsOf(model));
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const auto& [module, role, expert, shape, has_bias] : DistinctLinears(config, block)) {
      // As the configuration says it: rows of different lengths may have one scheme.
      if (StorageOf(module, shape).has_value()) schemes.Set(block, role, quantization->StorageOf(module)->scheme);
    }
  }
  return schemes;
}

absl::StatusOr<CheckpointFolder> OpenCheckpointUnchecked(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(ModelFolder model, ModelFolder::Open(path));
  CheckpointFolder folder{.model = std::move(model), .quantization = std::nullopt};
  const json quantization = QuantizationEntry(folder.model);
  if (!quantization.is_null()) {
    PIVOT_ASSIGN_OR_RETURN(folder.quantization, ParseQuantizationConfig(quantization));
  }
  return folder;
}

absl::StatusOr<CheckpointFolder> OpenCheckpoint(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(CheckpointFolder folder, OpenCheckpointUnchecked(path));
  PIVOT_RETURN_IF_ERROR(CheckTensors(folder));
  return folder;
}

absl::StatusOr<CheckpointFolder> OpenOriginal(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(ModelFolder model, ModelFolder::Open(path));
  const json quantization = QuantizationEntry(model);
  if (!quantization.is_null()) {
    if (IsSourceMethod(quantization)) return OpenCheckpoint(path);
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(path, " is quantized already; compress the original model instead")),
        "ALREADY_QUANTIZED", "job.spec.compress.source");
  }
  CheckpointFolder folder{.model = std::move(model), .quantization = std::nullopt};
  PIVOT_RETURN_IF_ERROR(CheckTensors(folder));
  return folder;
}

std::vector<std::string> TensorProblems(const CheckpointFolder& folder) {
  const ModelConfig& config = folder.model.config();
  std::vector<std::string> problems;
  CheckOuter(folder, problems);
  for (int block = 0; block < config.num_blocks; ++block) CheckBlock(folder, block, problems);
  return problems;
}

StoredBits CountBits(const CheckpointFolder& folder) {
  const Totals totals = CountWeights(folder);
  const double quantized = totals.quantized_weights > 0 ? totals.quantized_bits / totals.quantized_weights : 0;
  return {.quantized = quantized, .model = totals.all_bits / totals.all_weights};
}

absl::StatusOr<json> Inspect(const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(const CheckpointFolder folder, OpenCheckpointUnchecked(path));
  const ModelConfig& config = folder.model.config();
  const Totals totals = CountWeights(folder);
  std::map<std::string, int64_t> dtypes;
  if (folder.model.gguf() != nullptr) {
    for (const auto& tensor : folder.model.gguf()->file().tensors()) ++dtypes[std::string(GgmlTypeName(tensor.type))];
  } else {
    for (const auto& [name, location] : folder.model.tensors()) ++dtypes[std::string(DtypeName(location.info->dtype))];
  }
  json groups = json::array();
  for (const auto& [scheme, count] : totals.modules_by_scheme) {
    const auto& [type, code_bits, group_size] = scheme;
    groups.push_back({{"type", std::string(CodeTypeName(type))},
                      {"bits", code_bits},
                      {"group_size", group_size},
                      {"modules", count}});
  }
  const StoredBits bits = CountBits(folder);
  json warnings = json::array();
  if (config.found != nullptr) warnings.push_back(std::string(config.found->refusal.message()));
  return json{{"schema", 1},
              {"architecture", std::string(config.architecture->model_type)},
              {"num_blocks", config.num_blocks},
              {"hidden_size", config.hidden_size},
              {"vocab_size", config.vocab_size},
              {"parameters", static_cast<int64_t>(totals.all_weights)},
              {"weight_bytes", folder.model.weight_file_bytes()},
              {"files", folder.model.weight_paths().size()},
              {"tensors", folder.model.tensors().size()},
              {"format", FormatOf(folder)},
              {"bits_per_weight", bits.quantized},
              {"model_bits_per_weight", bits.model},
              {"groups", std::move(groups)},
              {"dtypes", dtypes},
              {"problems", TensorProblems(folder)},
              {"warnings", std::move(warnings)}};
}

}  // namespace pivot

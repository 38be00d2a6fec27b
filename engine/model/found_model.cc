// SPDX-License-Identifier: Apache-2.0
#include "engine/model/found_model.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "engine/model/json.h"
#include "engine/model/model_folder.h"
#include "engine/model/stored_shape.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

// As of families that are known: keeps products of sizes far from overflow.
constexpr int64_t kMaxDimension = int64_t{1} << 24;
constexpr int kMaxBlocks = 4096;
// Groups of every width that is chosen by itself divide such columns or their half or quarter.
constexpr int64_t kColumnMultiple = 32;
// Models have no more experts; the gate of an MLP has more rows.
constexpr int64_t kMostExperts = 1024;
// Of models that are not in the table positions say nothing here.
constexpr int64_t kPositions = 2048;

/// "model.layers.3.mlp.gate" -> {"model.layers.", 3, "mlp.gate"}, by the first number in the name.
struct NumberedName {
  std::string prefix;
  int block = 0;
  std::string rest;
};
std::optional<NumberedName> SplitAtNumber(absl::string_view module) {
  size_t begin = 0;
  while (begin < module.size()) {
    const size_t dot = module.find('.', begin);
    if (dot == module.npos) return std::nullopt;
    int block = -1;
    const absl::string_view part = module.substr(begin, dot - begin);
    const bool is_number = !part.empty() && part.find_first_not_of("0123456789") == part.npos;
    if (begin > 0 && is_number) {
      if (!absl::SimpleAtoi(part, &block) || block >= kMaxBlocks || absl::StrCat(block) != part) return std::nullopt;
      return NumberedName{std::string(module.substr(0, begin)), block, std::string(module.substr(dot + 1))};
    }
    begin = dot + 1;
  }
  return std::nullopt;
}

bool IsEmbedding(absl::string_view name) {
  return absl::StrContains(name, "embed") || absl::EndsWith(name, "wte") || absl::EndsWith(name, "wpe") ||
         absl::EndsWith(name, "relative_attention_bias");
}

bool IsRouter(absl::string_view name, LinearShape shape) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  const bool is_gate = parts.back() == "gate" || absl::EndsWith(parts.back(), "_expert_gate");
  return std::find(parts.begin(), parts.end(), "router") != parts.end() ||
         (is_gate && shape.out_features <= kMostExperts);
}

bool IsLinear(absl::string_view name, LinearShape shape) {
  return shape.in_features % kColumnMultiple == 0 && !IsEmbedding(name) && !IsRouter(name, shape);
}

struct NamedMatrix {
  NumberedName name;
  StoredMatrix matrix;
};

/// Matrices of a model, in the order of their tensors' names.
struct Matrices {
  std::vector<NamedMatrix> numbered;
  std::vector<std::string> others;  // modules
};

Matrices ListMatrices(const ModelFolder& folder) {
  Matrices all;
  for (const auto& [tensor, location] : folder.tensors()) {
    auto matrix = MatrixOf(folder, tensor);
    if (!matrix.has_value()) continue;
    const LinearShape shape = matrix->shape;
    const bool makes_sense = shape.out_features >= 1 && shape.out_features <= kMaxDimension && shape.in_features >= 1 &&
                             shape.in_features <= kMaxDimension;
    auto name = SplitAtNumber(matrix->module);
    if (makes_sense && name.has_value()) {
      all.numbered.push_back({*std::move(name), *std::move(matrix)});
    } else {
      all.others.push_back(std::move(matrix->module));
    }
  }
  return all;
}

/// The prefix of the list of modules with the most weights, or "".
std::string HeaviestPrefix(const Matrices& matrices) {
  std::map<std::string, double> weights;
  for (const auto& [name, matrix] : matrices.numbered) {
    weights[name.prefix] +=
        static_cast<double>(matrix.shape.out_features) * static_cast<double>(matrix.shape.in_features);
  }
  const auto heaviest = std::max_element(weights.begin(), weights.end(),
                                         [](const auto& a, const auto& b) { return a.second < b.second; });
  return heaviest == weights.end() ? "" : heaviest->first;
}

/// Length of `module`.bias, or nothing.
std::optional<int64_t> BiasLength(const ModelFolder& folder, const std::string& module) {
  const TensorInfo* bias = folder.Find(module + ".bias");
  if (bias == nullptr || bias->shape.size() != 1) return std::nullopt;
  return bias->shape.front();
}

absl::Status AddToBlock(const ModelFolder& folder, const NamedMatrix& found, FoundBlock& block) {
  const auto& [name, matrix] = found;
  if (!IsLinear(name.rest, matrix.shape)) {
    block.plain.push_back(name.rest);
    return absl::OkStatus();
  }
  const auto bias = BiasLength(folder, matrix.module);
  const LinearShape shape = matrix.shape;
  if (bias == shape.in_features && bias != shape.out_features) {
    return absl::InvalidArgumentError(absl::StrCat("; and ", matrix.module, " has a bias for each of its ",
                                                   shape.in_features, " columns: its matrices lie transposed"));
  }
  block.linears.push_back(
      {.module = matrix.module, .role = LinearRole::kFound, .shape = shape, .has_bias = bias == shape.out_features});
  return absl::OkStatus();
}

void SortBlock(FoundBlock& block) {
  std::sort(block.plain.begin(), block.plain.end());
  std::sort(block.linears.begin(), block.linears.end(),
            [](const BlockLinear& a, const BlockLinear& b) { return a.module < b.module; });
  int role = static_cast<int>(LinearRole::kFound);
  for (BlockLinear& linear : block.linears) linear.role = static_cast<LinearRole>(role++);
}

/// A number of config.json, or of the text_config of models that read images too; 0 when there is none.
int64_t SizeOf(const json& document, const char* key) {
  for (const json& object : {document, document.value("text_config", json::object())}) {
    if (!object.is_object()) continue;
    const json value = object.value(key, json());
    if (value.is_number_integer() && value >= 0 && value <= kMaxDimension) return value.get<int64_t>();
  }
  return 0;
}

}  // namespace

absl::StatusOr<ModelConfig> FindModel(const ModelFolder& folder, const absl::Status& refusal) {
  Matrices matrices = ListMatrices(folder);
  auto model = std::make_shared<FoundModel>();
  model->refusal = refusal;
  model->block_prefix = HeaviestPrefix(matrices);
  model->outside = std::move(matrices.others);
  for (const NamedMatrix& found : matrices.numbered) {
    if (found.name.prefix != model->block_prefix) {
      model->outside.push_back(found.matrix.module);
      continue;
    }
    const auto block = static_cast<size_t>(found.name.block);
    model->blocks.resize(std::max(model->blocks.size(), block + 1));
    if (const absl::Status added = AddToBlock(folder, found, model->blocks[block]); !added.ok())
      return WithReason(absl::InvalidArgumentError(absl::StrCat(refusal.message(), added.message())),
                        ReasonOf(refusal));
  }
  std::sort(model->outside.begin(), model->outside.end());
  for (FoundBlock& block : model->blocks) SortBlock(block);
  const bool has_linears = std::any_of(model->blocks.begin(), model->blocks.end(),
                                       [](const FoundBlock& block) { return !block.linears.empty(); });
  if (!has_linears) return refusal;

  PIVOT_ASSIGN_OR_RETURN(const json document, ParseJson(folder.config_text(), "config.json"));
  model->model_type = JsonFields(document, "config.json").OptionalText("model_type").value_or("");
  model->architecture.model_type = model->model_type;
  model->architecture.block_prefix = model->block_prefix;
  ModelConfig config;
  config.architecture = &model->architecture;
  config.hidden_size = SizeOf(document, "hidden_size");
  config.vocab_size = SizeOf(document, "vocab_size");
  config.num_blocks = static_cast<int64_t>(model->blocks.size());
  config.max_positions = kPositions;
  config.found = std::move(model);
  return config;
}

std::string DescribeFound(const FoundModel& model) {
  size_t linears = 0;
  size_t plain = model.outside.size();
  for (const FoundBlock& block : model.blocks) {
    linears += block.linears.size();
    plain += block.plain.size();
  }
  return absl::StrCat("model type ", model.model_type, " cannot be run: the ", linears, " linear layers found in ",
                      model.blocks.size(), " blocks (", model.block_prefix, "N) are rounded without calibration, ",
                      plain, " other matrices (embeddings, head, routers and the like) stay as they are, ",
                      "and nothing is measured");
}

absl::Status CheckCanRun(const ModelConfig& config) {
  return config.found == nullptr ? absl::OkStatus() : config.found->refusal;
}

}  // namespace pivot

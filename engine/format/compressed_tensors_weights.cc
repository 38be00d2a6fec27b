// SPDX-License-Identifier: Apache-2.0
#include "engine/format/compressed_tensors_weights.h"

#include <array>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "engine/format/unsupported.h"
#include "engine/model/json.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// Positions are those of CodeType.
constexpr std::array<absl::string_view, 4> kFormats = {"pack-quantized", "float-quantized", "nvfp4-pack-quantized",
                                                       "mxfp4-pack-quantized"};

/// "weight" and "static" leave the columns where they were; "group" (true in old files) does not.
std::string ActOrderOf(const json& weights) {
  const json order = weights.is_object() ? weights.value("actorder", json()) : json();
  if (order.is_null() || order == json(false)) return "none";
  return order.is_string() ? absl::AsciiStrToLower(order.get<std::string>()) : "group";
}

struct Weights {
  std::string type;
  std::string strategy;
  int64_t bits = 0;
  int64_t group_size = 0;
  bool symmetric = true;
  json block = json();
};

absl::StatusOr<WeightScheme> IntegerScheme(const Weights& weights) {
  if (weights.strategy != "group" && weights.strategy != "channel") {
    return UnsupportedConfig(
        absl::StrCat("has integers with the strategy \"", weights.strategy, "\"; \"group\" and \"channel\" are read"));
  }
  const bool is_channel = weights.strategy == "channel";
  if (weights.bits < kMinBits || weights.bits > kMaxBits || (!is_channel && weights.group_size < 1))
    return UnsupportedConfig(absl::StrCat("has ", weights.bits, " bits in groups of ", weights.group_size));
  return WeightScheme{.bits = static_cast<int>(weights.bits),
                      .group_size = is_channel ? 0 : weights.group_size,
                      .symmetry = weights.symmetric ? Symmetry::kSymmetric : Symmetry::kAsymmetric};
}

absl::StatusOr<WeightScheme> Float8Scheme(const Weights& weights) {
  WeightScheme scheme = *FloatScheme("fp8");
  if (weights.strategy == "channel") return scheme;
  scheme.row_group = 0;
  if (weights.strategy == "tensor") return scheme;
  const bool is_block = weights.block.is_array() && weights.block.size() == 2 &&
                        weights.block[0].is_number_unsigned() && weights.block[1].is_number_unsigned();
  if (weights.strategy == "block" && is_block) {
    scheme.row_group = weights.block[0].get<int64_t>();
    scheme.group_size = weights.block[1].get<int64_t>();
    if (scheme.row_group > 0 && scheme.group_size > 0) return scheme;
  }
  return UnsupportedConfig(
      absl::StrCat("has FP8 with the strategy \"", weights.strategy,
                   "\"; \"tensor\", \"channel\" and \"block\" (of two positive numbers) are read"));
}

absl::StatusOr<WeightScheme> Float4Scheme(const Weights& weights) {
  const bool is_nvfp4 = weights.strategy == "tensor_group" && weights.group_size == kNvfp4GroupSize;
  const bool is_mxfp4 = weights.strategy == "group" && weights.group_size == kMxfp4GroupSize;
  if (is_nvfp4) return *FloatScheme("nvfp4");
  if (is_mxfp4) return *FloatScheme("mxfp4");
  return UnsupportedConfig(absl::StrCat("has 4-bit floating point with the strategy \"", weights.strategy,
                                        "\" in groups of ", weights.group_size,
                                        "; \"tensor_group\" of 16 (NVFP4) and \"group\" of 32 (MXFP4) are read"));
}

absl::StatusOr<WeightScheme> SchemeOf(const Weights& weights) {
  if (weights.type == "int") return IntegerScheme(weights);
  if (weights.type == "float" && weights.symmetric) {
    if (weights.bits == 8) return Float8Scheme(weights);
    if (weights.bits == 4) return Float4Scheme(weights);
  }
  return UnsupportedConfig(absl::StrCat("has weights of type \"", weights.type, "\" with ", weights.bits,
                                        weights.symmetric ? " bits" : " bits and zero points",
                                        "; \"int\", and \"float\" of 8 and 4 bits without zero points, are read"));
}

}  // namespace

absl::string_view GroupFormat(CodeType type) { return kFormats[static_cast<size_t>(type)]; }

ordered_json WeightsJson(const WeightScheme& scheme) {
  std::string strategy = scheme.group_size == 0 ? "channel" : "group";
  if (scheme.type == CodeType::kNvfp4) strategy = "tensor_group";
  const bool is_block = scheme.type == CodeType::kFloat8 && scheme.group_size != 0;
  if (is_block) strategy = "block";
  if (scheme.row_group == 0) strategy = "tensor";
  const bool has_groups = strategy == "group" || strategy == "tensor_group";
  ordered_json weights{{"num_bits", scheme.bits},
                       {"type", scheme.is_integer() ? "int" : "float"},
                       {"symmetric", scheme.is_symmetric()},
                       {"strategy", strategy},
                       {"group_size", has_groups ? ordered_json(scheme.group_size) : ordered_json()},
                       {"dynamic", false}};
  if (is_block) weights["block_structure"] = {scheme.row_group, scheme.group_size};
  return weights;
}

absl::StatusOr<WeightScheme> ParseWeights(const json& weights, absl::string_view format) {
  JsonFields fields(weights, "quantization_config.weights");
  Weights found{.type = fields.OptionalText("type").value_or("int"),
                .strategy = fields.OptionalText("strategy").value_or(""),
                .bits = fields.OptionalInteger("num_bits").value_or(8),
                .group_size = fields.OptionalInteger("group_size").value_or(0),
                .symmetric = fields.BooleanOr("symmetric", true)};
  const std::string act_order = ActOrderOf(weights);
  if (!fields.status().ok()) return UnreadableConfig(fields.status());
  found.block = weights.value("block_structure", json());
  PIVOT_ASSIGN_OR_RETURN(const WeightScheme scheme, SchemeOf(found));
  if (act_order != "none" && act_order != "weight" && act_order != "static") {
    return UnsupportedConfig(
        absl::StrCat("has columns in the order \"", act_order, "\"; only their own order is read"));
  }
  if (format != GroupFormat(scheme.type)) {
    return UnsupportedConfig(absl::StrCat("has the format \"", format, "\" for ", CodeTypeName(scheme.type),
                                          " weights; \"", GroupFormat(scheme.type), "\" is read"));
  }
  return scheme;
}

}  // namespace pivot

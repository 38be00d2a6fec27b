// SPDX-License-Identifier: Apache-2.0
#include "engine/model/fused_experts.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"

#include "engine/model/block_linears.h"
#include "proto/status/reason.h"

namespace pivot {
namespace {

/// The block with experts that a tensor is of, and the rest of its name.
std::optional<std::pair<int, absl::string_view>> BlockOf(const ModelConfig& config, absl::string_view name) {
  int block = 0;
  if (!absl::ConsumePrefix(&name, config.architecture->block_prefix)) return std::nullopt;
  const size_t dot = name.find('.');
  if (dot == name.npos || !absl::SimpleAtoi(name.substr(0, dot), &block)) return std::nullopt;
  if (block < 0 || block >= config.num_blocks || !config.has_experts(block)) return std::nullopt;
  return std::pair(block, name.substr(dot + 1));
}

/// Weights of each expert's linears of these roles, which lie one after the other.
std::vector<TensorInfo> Parts(const ModelConfig& config, int block, absl::Span<const LinearRole> roles,
                              const TensorInfo& info) {
  std::vector<TensorInfo> parts;
  int64_t begin = info.begin;
  for (int expert = 0; expert < config.experts.count; ++expert) {
    for (const LinearRole role : roles) {
      const LinearShape shape = ShapeOf(config, role);
      const int64_t bytes = shape.out_features * shape.in_features * DtypeBits(info.dtype) / 8;
      parts.push_back({.name = LinearModule(config, block, role, expert) + ".weight",
                       .dtype = info.dtype,
                       .shape = {shape.out_features, shape.in_features},
                       .begin = begin,
                       .end = begin + bytes});
      begin += bytes;
    }
  }
  return parts;
}

absl::Status CheckShape(const TensorInfo& info, const std::vector<int64_t>& expected) {
  const bool is_float =
      info.dtype == Dtype::kBfloat16 || info.dtype == Dtype::kFloat16 || info.dtype == Dtype::kFloat32;
  if (is_float && info.shape == expected) return absl::OkStatus();
  return WithReason(absl::InvalidArgumentError(
                        absl::StrCat("tensor ", info.name, " is ", DtypeName(info.dtype), " ", ShapeText(info.shape),
                                     "; config.json asks for BF16, F16 or F32 ", ShapeText(expected))),
                    "MALFORMED_WEIGHTS");
}

}  // namespace

absl::StatusOr<std::vector<TensorInfo>> SplitFusedExperts(const ModelConfig& config, const TensorInfo& info) {
  std::vector<TensorInfo> parts;
  const auto found = BlockOf(config, info.name);
  if (!found.has_value()) return parts;
  const auto& [block, name] = *found;
  const ExpertsEntry& entry = *config.architecture->experts;
  std::vector<LinearRole> roles;
  if (name == entry.fused_gate_up) roles = {LinearRole::kExpertGate, LinearRole::kExpertUp};
  if (name == entry.fused_down) roles = {LinearRole::kExpertDown};
  if (roles.empty()) {
    const std::string router = RouterTensor(config, block)->name;
    if (name != absl::StrCat(entry.fused_router, ".weight") || router == info.name) return parts;
    parts.push_back(info);
    parts.back().name = router;
    return parts;
  }
  const LinearShape shape = ShapeOf(config, roles.front());
  const std::vector<int64_t> expected = {config.experts.count, static_cast<int64_t>(roles.size()) * shape.out_features,
                                         shape.in_features};
  if (const absl::Status status = CheckShape(info, expected); !status.ok()) return status;
  return Parts(config, block, roles, info);
}

}  // namespace pivot

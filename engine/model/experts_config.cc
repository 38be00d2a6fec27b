// SPDX-License-Identifier: Apache-2.0
#include "engine/model/experts_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "engine/model/json.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using nlohmann::json;

// Beyond any model there is; keeps products of sizes far from overflow.
constexpr int64_t kMaxExperts = 4096;
constexpr int64_t kMaxExpertsOfAllBlocks = 131072;
constexpr int64_t kMaxWidth = int64_t{1} << 24;

absl::Status Invalid(absl::string_view problem) {
  return WithReason(absl::InvalidArgumentError(absl::StrCat("config.json: ", problem)), "INVALID_CONFIG");
}

absl::Status CheckExperts(const ExpertsConfig& experts, int64_t step, int64_t num_blocks) {
  if (experts.count < 1 || experts.count > kMaxExperts || experts.count * num_blocks > kMaxExpertsOfAllBlocks)
    return Invalid(absl::StrCat("num_experts is ", experts.count));
  if (experts.per_token < 1 || experts.per_token > experts.count) {
    return Invalid(absl::StrCat("num_experts_per_tok is ", experts.per_token, " of ", experts.count, " experts"));
  }
  if (experts.intermediate_size < 1 || experts.intermediate_size > kMaxWidth)
    return Invalid(absl::StrCat("moe_intermediate_size is ", experts.intermediate_size));
  return step >= 1 ? absl::OkStatus() : Invalid(absl::StrCat("decoder_sparse_step is ", step));
}

}  // namespace

absl::StatusOr<ExpertsConfig> ReadExperts(const json& document, int64_t num_blocks) {
  JsonFields fields(document, "config.json");
  ExpertsConfig experts{.count = fields.Integer("num_experts"),
                        .per_token = fields.Integer("num_experts_per_tok"),
                        .intermediate_size = fields.Integer("moe_intermediate_size"),
                        .renormalizes = fields.BooleanOr("norm_topk_prob", false)};
  const int64_t step = fields.Integer("decoder_sparse_step");
  if (!fields.status().ok()) return WithReason(fields.status(), "INVALID_CONFIG");
  PIVOT_RETURN_IF_ERROR(CheckExperts(experts, step, num_blocks));
  const json dense = document.value("mlp_only_layers", json());
  if (!dense.is_null() && !dense.is_array()) return Invalid("mlp_only_layers must be a list of blocks");
  for (int64_t block = 0; block < num_blocks; ++block) {
    const bool is_dense = std::find(dense.begin(), dense.end(), json(block)) != dense.end();
    experts.in_block.push_back(!is_dense && (block + 1) % step == 0);
  }
  return experts;
}

}  // namespace pivot

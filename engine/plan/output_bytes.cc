// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/output_bytes.h"

#include <cmath>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"

#include "engine/format/output_format.h"
#include "engine/format/quantization_config.h"
#include "engine/plan/conversion.h"
#include "engine/plan/gguf_plan.h"
#include "engine/plan/output_layout.h"
#include "engine/plan/serving_memory.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

absl::StatusOr<int64_t> CopiedBytes(const ModelFolder& source) {
  PIVOT_ASSIGN_OR_RETURN(const std::vector<std::string> names, source.OtherFiles());
  int64_t total = 0;
  for (const std::string& name : names) {
    std::error_code error;
    const auto bytes = std::filesystem::file_size(source.path() + "/" + name, error);
    total += error ? 0 : static_cast<int64_t>(bytes);
    if (!error) continue;
    // What a GGUF file tells; anything else says what is wrong.
    PIVOT_ASSIGN_OR_RETURN(const std::string text, source.ReadOtherFile(name));
    total += static_cast<int64_t>(text.size());
  }
  return total;
}

/// Weights, index, configuration and copied files of one folder of the output.
absl::StatusOr<int64_t> FolderBytes(const ModelFolder& source, const ModelSchemes& schemes, CodeLayout layout) {
  PIVOT_ASSIGN_OR_RETURN(int64_t total, CopiedBytes(source));
  if (layout == CodeLayout::kGguf) {
    PIVOT_ASSIGN_OR_RETURN(const GgufPlan gguf, PlanGguf(source, schemes));
    return total + gguf.file_bytes();
  }
  const std::vector<OutputShard> shards = OutputShards(source, schemes, {.layout = layout});
  for (const OutputShard& shard : shards) total += LayOutSafetensors(shard.tensors).file_bytes;
  PIVOT_ASSIGN_OR_RETURN(const auto texts, ConfigurationTexts(source, schemes, layout));
  for (const auto& [name, text] : texts) total += static_cast<int64_t>(text.size());
  return total + static_cast<int64_t>(IndexJson(shards).size());
}

/// Of the narrowest codes that all formats hold.
absl::StatusOr<int64_t> LeastUniformBytes(const ModelFolder& source, const CompressSpec& spec) {
  WeightScheme scheme = spec.scheme;
  scheme.bits = kMinBits;
  while (scheme.bits < kMaxBits && !WhyNotInAll(scheme, spec.layouts()).empty()) ++scheme.bits;
  return OutputBytes(source, ModelSchemes::Uniform(source.config(), scheme), spec);
}

}  // namespace

LinearStorage StorageIn(const WeightScheme& scheme, CodeLayout layout) {
  if (layout != CodeLayout::kGguf) return {.layout = layout, .scheme = scheme};
  return {.layout = layout, .scheme = SchemeOf(BlocksFor(scheme)).value_or(scheme)};
}

int64_t LinearBytes(const ModelFolder& source, absl::string_view module, LinearShape shape,
                    const std::optional<WeightScheme>& scheme, const CompressSpec& spec) {
  int64_t total = 0;
  for (const CodeLayout layout : spec.layouts()) {
    if (scheme.has_value()) {
      total += StoredBytes(shape, StorageIn(*scheme, layout));
      continue;
    }
    const TensorInfo* info = source.Find(absl::StrCat(module, ".weight"));
    total += shape.out_features * shape.in_features * DtypeBits(info == nullptr ? Dtype::kBfloat16 : info->dtype) / 8;
  }
  return total;
}

absl::StatusOr<int64_t> OutputBytes(const ModelFolder& source, const ModelSchemes& schemes, const CompressSpec& spec) {
  int64_t total = 0;
  for (const CodeLayout layout : spec.layouts()) {
    PIVOT_ASSIGN_OR_RETURN(const int64_t bytes, FolderBytes(source, schemes, layout));
    total += bytes;
  }
  return total;
}

absl::Status BudgetTooSmall(int64_t max_bytes, int64_t least_bytes) {
  return WithReason(absl::FailedPreconditionError(
                        absl::StrCat("the budget of ", max_bytes, " bytes is too small: the output would have at ",
                                     "least ", least_bytes, " bytes, ", least_bytes - max_bytes, " more")),
                    "BUDGET_TOO_SMALL");
}

absl::StatusOr<int64_t> BudgetBytes(const ModelFolder& source, const CompressSpec& spec) {
  const Budget& budget = spec.plan.budget;
  if (budget.max_bytes != 0) return budget.max_bytes;
  if (budget.vram_bytes != 0) {
    PIVOT_ASSIGN_OR_RETURN(const int64_t least, LeastUniformBytes(source, spec));
    return WeightBudget(source.config(), budget.vram_bytes, budget.context_tokens, least);
  }
  const auto uniform = [&](double bits) {
    WeightScheme scheme = spec.scheme;
    scheme.bits = static_cast<int>(bits);
    return OutputBytes(source, ModelSchemes::Uniform(source.config(), scheme), spec);
  };
  PIVOT_ASSIGN_OR_RETURN(const int64_t below, uniform(std::floor(budget.bits)));
  PIVOT_ASSIGN_OR_RETURN(const int64_t above, uniform(std::ceil(budget.bits)));
  const double share = budget.bits - std::floor(budget.bits);
  return below + static_cast<int64_t>(share * static_cast<double>(above - below));
}

}  // namespace pivot

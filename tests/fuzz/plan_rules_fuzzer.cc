// SPDX-License-Identifier: Apache-2.0
// A plan file against a plain model and one with experts. What is accepted is a plan, and is the same plan when it is
// listed layer by layer and read again, as `pivot plan --json` and --plan do it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

#include "engine/model/block_linears.h"
#include "engine/model/json.h"
#include "engine/plan/plan_rules.h"
#include "tests/fuzz/require.h"

namespace {

using nlohmann::json;

constexpr char kPlain[] =
    R"({"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
    "num_attention_heads": 4, "vocab_size": 100, "tie_word_embeddings": false})";
constexpr char kMixture[] =
    R"({"model_type": "mixtral", "hidden_size": 64, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 4, "vocab_size": 100, "num_local_experts": 3, "num_experts_per_tok": 1})";

json EntryOf(const pivot::BlockLinear& linear, const std::optional<pivot::WeightScheme>& scheme) {
  if (!scheme.has_value()) return {{"name", linear.module}, {"type", "kept"}, {"bits", 16}, {"group_size", 0}};
  return {{"name", linear.module}, {"bits", scheme->bits}, {"group_size", scheme->group_size}};
}

json EntryOfEnd(const std::string& module) { return {{"name", module}, {"type", pivot::kNarrowType}}; }

/// Every layer with its scheme.
json Listed(const pivot::ModelConfig& config, const pivot::ModelSchemes& schemes) {
  json modules = json::array();
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const pivot::BlockLinear& linear : pivot::BlockLinears(config, block))
      modules.push_back(EntryOf(linear, schemes.at(block, linear.role)));
  }
  if (schemes.ends().embedding) modules.push_back(EntryOfEnd(pivot::EmbeddingModule(config)));
  if (schemes.ends().head) modules.push_back(EntryOfEnd(pivot::HeadModule(config)));
  return {{"schema", 1}, {"modules", std::move(modules)}};
}

void RequireAPlan(const pivot::ModelConfig& config, const pivot::ModelSchemes& schemes) {
  PIVOT_REQUIRE(!schemes.Distinct().empty());
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const pivot::BlockLinear& linear : pivot::BlockLinears(config, block)) {
      const auto& scheme = schemes.at(block, linear.role);
      if (!scheme.has_value()) continue;
      PIVOT_REQUIRE(scheme->bits >= 2 && scheme->bits <= 8);
      PIVOT_REQUIRE(scheme->group_size >= 0);
      PIVOT_REQUIRE(scheme->group_size == 0 || linear.shape.in_features % scheme->group_size == 0);
    }
  }
}

void RequireTheSame(const pivot::ModelConfig& config, const pivot::ModelSchemes& a, const pivot::ModelSchemes& b) {
  PIVOT_REQUIRE(a.ends() == b.ends());
  for (int block = 0; block < config.num_blocks; ++block) {
    for (const pivot::BlockLinear& linear : pivot::BlockLinears(config, block))
      PIVOT_REQUIRE(a.at(block, linear.role) == b.at(block, linear.role));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::array<pivot::ModelConfig, 2> configs = {*pivot::ParseModelConfig(kPlain),
                                                            *pivot::ParseModelConfig(kMixture)};
  constexpr pivot::WeightScheme kBase{.bits = 4, .group_size = 32};
  const auto file = pivot::ParseJson({reinterpret_cast<const char*>(data), size}, "a plan file");
  if (!file.ok()) return 0;
  for (const pivot::ModelConfig& config : configs) {
    const auto schemes = pivot::SchemesOf(config, kBase, pivot::Method::kGptq, *file);
    if (!schemes.ok()) continue;
    RequireAPlan(config, *schemes);
    const auto again = pivot::SchemesOf(config, kBase, pivot::Method::kGptq, Listed(config, *schemes));
    PIVOT_REQUIRE(again.ok());
    RequireTheSame(config, *schemes, *again);
  }
  return 0;
}

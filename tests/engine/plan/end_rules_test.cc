// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/end_rules.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/plan/plan_rules.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::HasSubstr;

constexpr WeightScheme kBase = {.bits = 4, .group_size = 64};

ModelConfig Tiny(const TinyModelOptions& options = {}) { return *ParseModelConfig(TinyConfigJson(options)); }

absl::StatusOr<ModelSchemes> Apply(const std::string& rules, const ModelConfig& config = Tiny()) {
  return SchemesOf(config, kBase, Method::kGptq, {{"schema", 1}, {"rules", json::parse(rules)}});
}

TEST(EndRulesTest, NarrowAnEndThatIsNamed) {
  ASSERT_OK_AND_ASSIGN(const ModelSchemes tied, Apply(R"([{"match": "model.embed_tokens", "bits": 8},
                                                          {"match": "*.1.mlp.down_proj", "bits": 3}])"));
  EXPECT_EQ(tied.ends(), (NarrowEnds{.embedding = true}));
  EXPECT_EQ(tied.at(1, LinearRole::kDown), (WeightScheme{.bits = 3, .group_size = 64}));
  const ModelConfig untied = Tiny({.tied_embeddings = false});
  ASSERT_OK_AND_ASSIGN(const ModelSchemes head, Apply(R"([{"match": "lm_head", "bits": 8}])", untied));
  EXPECT_EQ(head.ends(), (NarrowEnds{.head = true}));
  ASSERT_OK_AND_ASSIGN(const ModelSchemes kept,
                       Apply(R"([{"match": "lm_head", "bits": 8}, {"match": "lm_head", "keep": true}])", untied));
  EXPECT_FALSE(kept.ends().any());
  // A pattern means layers of blocks.
  ASSERT_OK_AND_ASSIGN(const ModelSchemes pattern, Apply(R"([{"match": "*", "bits": 8}])", untied));
  EXPECT_FALSE(pattern.ends().any());
  // A head that is the embedding has no name.
  EXPECT_THAT(Apply(R"([{"match": "lm_head", "bits": 8}])").status().message(), HasSubstr("matches no linear layer"));
}

TEST(EndRulesTest, RefuseWhatIsNotKnownOfAnEnd) {
  for (const char* rule : {R"([{"match": "model.embed_tokens", "bits": 4}])",
                           R"([{"match": "model.embed_tokens", "bits": 8, "group_size": 32}])",
                           R"([{"match": "model.embed_tokens", "bits": 8, "keep": true}])",
                           R"([{"match": "model.embed_tokens", "type": "int"}])"}) {
    EXPECT_THAT(Apply(rule).status().message(), HasSubstr("rules[0] is about model.embed_tokens")) << rule;
  }
}

}  // namespace
}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "engine/model/wrapped_decoder.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "engine/format/checkpoint_folder.h"
#include "engine/format/model_schemes.h"
#include "engine/model/found_model.h"
#include "engine/model/model_folder.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class WrappedDecoderTest : public ::testing::Test {
 protected:
  /// A tiny llama under other names inside of a "viewer" with a tower of its own.
  absl::StatusOr<ModelFolder> Open(const std::string& base, const std::string& head, const json& text_changes = {}) {
    const TinyModelOptions options{.tied_embeddings = head.empty()};
    std::vector<TensorSpec> specs = TinyModelTensors(options);
    std::vector<std::string> bytes;
    for (TensorSpec& spec : specs) {
      if (spec.name.rfind("model.", 0) == 0) spec.name = base + spec.name.substr(6);
      if (spec.name == "lm_head.weight") spec.name = head;
    }
    specs.push_back({"vision_tower.layers.0.self_attn.q_proj.weight", Dtype::kBfloat16, {64, 64}});
    specs.push_back({"vision_tower.layers.0.norm.weight", Dtype::kBfloat16, {64}});
    specs.push_back({"projector.weight", Dtype::kBfloat16, {64, 64}});
    for (const TensorSpec& spec : specs) {
      int64_t count = 1;
      for (const int64_t size : spec.shape) count *= size;
      bytes.emplace_back(static_cast<size_t>(2 * count), '\0');
    }
    std::vector<TensorBytes> tensors;
    for (size_t i = 0; i < specs.size(); ++i) tensors.push_back({.spec = specs[i], .bytes = bytes[i]});
    json text = json::parse(TinyConfigJson(options));
    text.erase("eos_token_id");
    if (!text_changes.is_null()) text.merge_patch(text_changes);
    const json config{{"model_type", "viewer"}, {"text_config", text}, {"eos_token_id", {7, 8}}};
    EXPECT_OK(MakeFolders(folder_ / "model"));
    folder_.Write("model/config.json", config.dump());
    EXPECT_OK(WriteSafetensors(folder_ / "model/model.safetensors", tensors).status());
    return ModelFolder::Open(folder_ / "model");
  }

  TemporaryFolder folder_;
};

TEST_F(WrappedDecoderTest, IsFoundUnderEveryName) {
  for (const auto& [base, head] :
       std::vector<std::pair<std::string, std::string>>{{"language_model.model.", "language_model.lm_head.weight"},
                                                        {"model.language_model.", "lm_head.weight"},
                                                        {"language_model.model.", "lm_head.weight"},
                                                        {"model.text_model.", ""}}) {
    ASSERT_OK_AND_ASSIGN(const ModelFolder model, Open(base, head));
    const ModelConfig& config = model.config();
    ASSERT_NE(config.wrapped, nullptr) << base;
    EXPECT_OK(CheckCanRun(config));
    EXPECT_EQ(config.wrapped->module, base == "model.text_model." ? "text_model" : "language_model");
    EXPECT_EQ(config.architecture->model_type, "viewer");
    EXPECT_EQ(config.architecture->block_prefix, base + "layers.");
    EXPECT_EQ(config.tied_embeddings, head.empty());
    EXPECT_THAT(config.eos_token_ids, ElementsAre(7, 8)) << "of the whole model";
    EXPECT_THAT(config.wrapped->outside, ElementsAre("embed_tokens", "lm_head", "projector", "vision_tower"));
    EXPECT_THAT(TensorProblems(*OpenCheckpoint(folder_ / "model")), IsEmpty());
  }
}

TEST_F(WrappedDecoderTest, ExpressionsMatchItsLayersAlone) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder model, Open("language_model.model.", "language_model.lm_head.weight"));
  const WeightScheme scheme{.bits = 4, .group_size = 32};
  const ModelSchemes schemes = ModelSchemes::Uniform(model.config(), scheme);
  EXPECT_THAT(LayerExpressions(model.config(), schemes, scheme),
              Each(HasSubstr(R"(.*language_model\.(model\.)?layers\.\d+\.)")));
  EXPECT_THAT(LayerExpressions(model.config(), schemes, std::nullopt),
              ElementsAre(R"((.*\.)?embed_tokens(\..*)?$)", R"((.*\.)?lm_head(\..*)?$)", R"((.*\.)?projector(\..*)?$)",
                          R"((.*\.)?vision_tower(\..*)?$)"));
}

TEST_F(WrappedDecoderTest, OfAnUnknownFamilyLayersAreFoundByTheirTensors) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder model,
                       Open("language_model.model.", "lm_head.weight", {{"model_type", "transmogrifier"}}));
  ASSERT_NE(model.config().found, nullptr);
  EXPECT_THAT(CheckCanRun(model.config()).message(), HasSubstr("architecture \"viewer\" is not supported"));
  EXPECT_EQ(model.config().architecture->block_prefix, "language_model.model.layers.");
}

TEST_F(WrappedDecoderTest, WithoutItsEmbeddingItIsNone) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder model, Open("language_model.model.", "lm_head.weight", {{"vocab_size", 99}}));
  EXPECT_EQ(model.config().wrapped, nullptr);
  EXPECT_EQ(ReasonOf(CheckCanRun(model.config())), "UNSUPPORTED_ARCHITECTURE");
}

TEST_F(WrappedDecoderTest, WhatIsWrongWithItsConfigurationIsSaid) {
  const auto model = Open("language_model.model.", "lm_head.weight", {{"hidden_size", -1}});
  EXPECT_THAT(model, StatusIs(absl::StatusCode::kInvalidArgument,
                              AllOf(HasSubstr("text_config of "), HasSubstr("hidden_size is -1"))));
  EXPECT_EQ(ReasonOf(model.status()), "INVALID_CONFIG");
}

}  // namespace
}  // namespace pivot

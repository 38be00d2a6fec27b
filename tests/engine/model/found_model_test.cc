// SPDX-License-Identifier: Apache-2.0
#include "engine/model/found_model.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "engine/format/checkpoint_folder.h"
#include "engine/model/safetensors.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct NamedShapes {
  std::string name;
  std::vector<int64_t> shape;
};

class FoundModelTest : public ::testing::Test {
 protected:
  /// A model of zeros with these F16 tensors, of a family that nobody knows.
  absl::StatusOr<ModelFolder> Open(const std::vector<NamedShapes>& tensors, const char* config = R"({
      "model_type": "transmogrifier", "text_config": {"hidden_size": 64, "vocab_size": 320}})") {
    std::vector<std::string> bytes;
    for (const NamedShapes& tensor : tensors) {
      int64_t count = 1;
      for (const int64_t size : tensor.shape) count *= size;
      bytes.emplace_back(static_cast<size_t>(2 * count), '\0');
    }
    std::vector<TensorBytes> all;
    for (size_t i = 0; i < tensors.size(); ++i)
      all.push_back({.spec = {tensors[i].name, Dtype::kFloat16, tensors[i].shape}, .bytes = bytes[i]});
    EXPECT_OK(MakeFolders(folder_ / "model"));
    folder_.Write("model/config.json", config);
    EXPECT_OK(WriteSafetensors(folder_ / "model/model.safetensors", all).status());
    return ModelFolder::Open(folder_ / "model");
  }

  static std::vector<std::string> Names(const ModelFolder& model, int block) {
    std::vector<std::string> names;
    for (const BlockLinear& linear : BlockLinears(model.config(), block)) names.push_back(linear.module);
    return names;
  }

  TemporaryFolder folder_;
};

TEST_F(FoundModelTest, HasTheLayersOfAFamilyThatIsKnown) {
  ASSERT_OK(WriteTinyModel(folder_ / "known", {.tied_embeddings = false, .attention_bias = true}));
  ASSERT_OK(WriteTinyModel(folder_ / "unknown", {.tied_embeddings = false, .attention_bias = true}));
  json config = json::parse(*ReadSmallFile(folder_ / "unknown/config.json", 1 << 20));
  config["model_type"] = "transmogrifier";
  folder_.Write("unknown/config.json", config.dump());
  ASSERT_OK_AND_ASSIGN(const ModelFolder known, ModelFolder::Open(folder_ / "known"));
  ASSERT_OK_AND_ASSIGN(const ModelFolder unknown, ModelFolder::Open(folder_ / "unknown"));
  EXPECT_EQ(known.config().found, nullptr);
  ASSERT_NE(unknown.config().found, nullptr);
  ASSERT_EQ(unknown.config().num_blocks, 2);
  EXPECT_EQ(unknown.config().hidden_size, 64);
  EXPECT_EQ(unknown.config().architecture->model_type, "transmogrifier");
  for (int block = 0; block < 2; ++block) {
    for (const BlockLinear& linear : BlockLinears(known.config(), block)) {
      const std::string name = NameInBlock(known.config(), block, linear.role);
      const auto role = FindLinear(unknown.config(), block, name);
      ASSERT_TRUE(role.has_value()) << name;
      EXPECT_EQ(LinearModule(unknown.config(), block, *role, kNoExpert), linear.module);
      EXPECT_EQ(NameInBlock(unknown.config(), block, *role), name);
      EXPECT_EQ(ShapeInBlock(unknown.config(), block, *role), linear.shape) << name;
      const std::vector<BlockLinear> all = BlockLinears(unknown.config(), block);
      const BlockLinear& found = all[static_cast<size_t>(*role) - static_cast<size_t>(LinearRole::kFound)];
      EXPECT_EQ(found.has_bias, linear.has_bias) << name;
    }
    EXPECT_EQ(Names(unknown, block).size(), 7U);
  }
  EXPECT_THAT(unknown.config().found->outside, ElementsAre("lm_head", "model.embed_tokens"));
  EXPECT_THAT(TensorProblems(*OpenCheckpoint(folder_ / "unknown")), IsEmpty());
}

TEST_F(FoundModelTest, CannotBeRun) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder model, Open({{"h.0.proj.weight", {64, 64}}}));
  EXPECT_THAT(CheckCanRun(model.config()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("architecture \"transmogrifier\" is not supported"), HasSubstr("llama"))));
  EXPECT_EQ(ReasonOf(CheckCanRun(model.config())), "UNSUPPORTED_ARCHITECTURE");
}

TEST_F(FoundModelTest, IsFoundInsideOfAKnownFamilyThatUsesAnUnknownPart) {
  ASSERT_OK_AND_ASSIGN(
      const ModelFolder model,
      Open({{"h.0.proj.weight", {64, 64}}}, R"({"model_type": "llama", "hidden_act": "xielu", "hidden_size": 64,
          "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 320})"));
  EXPECT_THAT(CheckCanRun(model.config()).message(), HasSubstr("activation \"xielu\" is not supported"));
  EXPECT_THAT(Names(model, 0), ElementsAre("h.0.proj"));
}

TEST_F(FoundModelTest, KeepsRoutersEmbeddingsAndOddMatrices) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder model, Open({{"m.layers.0.mlp.gate.weight", {8, 64}},
                                                      {"m.layers.0.mlp.router.layer.weight", {2048, 64}},
                                                      {"m.layers.0.mlp.shared_expert_gate.weight", {1, 64}},
                                                      {"m.layers.0.attn.relative_attention_bias.weight", {64, 64}},
                                                      {"m.layers.0.attn.embed_q.weight", {64, 64}},
                                                      {"m.layers.0.attn.narrow.weight", {64, 48}},
                                                      {"m.layers.0.norm.weight", {64}},
                                                      {"m.layers.0.conv.weight", {64, 4, 4}},
                                                      {"m.layers.0.mlp.experts.1.w1.weight", {32, 64}},
                                                      {"m.layers.0.mlp.experts.10.w1.weight", {32, 64}},
                                                      {"m.layers.1.mlp.gate.weight", {4096, 64}},
                                                      {"m.head.weight", {64, 64}}}));
  EXPECT_THAT(Names(model, 0), ElementsAre("m.layers.0.mlp.experts.1.w1", "m.layers.0.mlp.experts.10.w1"));
  EXPECT_THAT(Names(model, 1), ElementsAre("m.layers.1.mlp.gate"));
  EXPECT_THAT(model.config().found->blocks[0].plain,
              ElementsAre("attn.embed_q", "attn.narrow", "attn.relative_attention_bias", "mlp.gate", "mlp.router.layer",
                          "mlp.shared_expert_gate"));
  EXPECT_THAT(model.config().found->outside, ElementsAre("m.head"));
}

TEST_F(FoundModelTest, TakesTheHeaviestListOfBlocks) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder model, Open({{"vision.layers.0.fc.weight", {64, 64}},
                                                      {"vision.layers.1.fc.weight", {64, 64}},
                                                      {"text.layers.0.fc.weight", {256, 64}},
                                                      {"text.layers.2.fc.weight", {256, 64}}}));
  ASSERT_EQ(model.config().num_blocks, 3);
  EXPECT_THAT(Names(model, 0), ElementsAre("text.layers.0.fc"));
  EXPECT_THAT(Names(model, 1), IsEmpty());
  EXPECT_THAT(Names(model, 2), ElementsAre("text.layers.2.fc"));
  EXPECT_THAT(model.config().found->outside, ElementsAre("vision.layers.0.fc", "vision.layers.1.fc"));
  EXPECT_EQ(model.config().vocab_size, 320) << "of text_config";
}

TEST_F(FoundModelTest, RefusesMatricesThatLieTransposed) {
  const auto model = Open({{"h.0.c_attn.weight", {64, 192}}, {"h.0.c_attn.bias", {192}}});
  EXPECT_THAT(model, StatusIs(absl::StatusCode::kInvalidArgument,
                              AllOf(HasSubstr("\"transmogrifier\" is not supported"),
                                    HasSubstr("h.0.c_attn has a bias for each of its 192 columns"))));
  EXPECT_EQ(ReasonOf(model.status()), "UNSUPPORTED_ARCHITECTURE");
}

TEST_F(FoundModelTest, RefusesWhatHasNoBlocks) {
  for (const char* name : {"encoder.weight", "h.weight", "0.weight", "h.4096.weight", "h.01.fc.weight", "h.0.norm"}) {
    const auto model = Open({{name, {64, 64}}});
    EXPECT_EQ(ReasonOf(model.status()), "UNSUPPORTED_ARCHITECTURE") << name;
  }
}

TEST_F(FoundModelTest, SaysWhatBecomesOfIt) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder model, Open({{"h.0.fc.weight", {64, 64}}, {"wte.weight", {320, 64}}}));
  EXPECT_EQ(DescribeFound(*model.config().found),
            "model type transmogrifier cannot be run: the 1 linear layers found in 1 blocks (h.N) are rounded without "
            "calibration, 1 other matrices (embeddings, head, routers and the like) stay as they are, and nothing is "
            "measured");
}

}  // namespace
}  // namespace pivot

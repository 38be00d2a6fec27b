// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/output_layout.h"

#include <map>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "proto/files/manifest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr WeightScheme kScheme{.bits = 3, .group_size = 32};

std::vector<OutputShard> UniformShards(const ModelFolder& source) {
  return OutputShards(source, ModelSchemes::Uniform(source.config(), kScheme));
}

bool IsKeptInUniform(const ModelFolder& source, absl::string_view tensor) {
  return IsKept(source, ModelSchemes::Uniform(source.config(), kScheme), tensor);
}

class OutputLayoutTest : public ::testing::Test {
 protected:
  ModelFolder Make(const TinyModelOptions& options) {
    EXPECT_OK(WriteTinyModel(folder_ / "model", options));
    return *ModelFolder::Open(folder_ / "model");
  }

  TemporaryFolder folder_;
};

std::set<std::string> NamesOf(const OutputShard& shard) {
  std::set<std::string> names;
  for (const TensorSpec& spec : shard.tensors) EXPECT_TRUE(names.insert(spec.name).second) << spec.name << " twice";
  return names;
}

TEST_F(OutputLayoutTest, NarrowEndsTakeHalfTheirBytesAndAreWidenedInBf16) {
  const ModelFolder source = Make({.tied_embeddings = false});
  ModelSchemes schemes = ModelSchemes::Uniform(source.config(), kScheme);
  schemes.SetEnds({.embedding = true, .head = true});
  for (const auto& [layout, dtype] : {std::pair(CodeLayout::kPackQuantized, Dtype::kFloat8E4M3),
                                      std::pair(CodeLayout::kPlainBf16, Dtype::kBfloat16)}) {
    std::map<std::string, Dtype> dtypes;
    const std::vector<OutputShard> shards = OutputShards(source, schemes, {.layout = layout});
    for (const TensorSpec& spec : shards.back().tensors) dtypes[spec.name] = spec.dtype;
    EXPECT_EQ(dtypes.at("model.embed_tokens.weight"), dtype);
    EXPECT_EQ(dtypes.at("lm_head.weight"), dtype);
    EXPECT_EQ(dtypes.at("model.norm.weight"), Dtype::kBfloat16);
  }
}

TEST_F(OutputLayoutTest, HasAShardForEachBlockAndOneForTheRest) {
  const std::vector<OutputShard> shards = UniformShards(Make({}));
  ASSERT_THAT(shards, SizeIs(3));
  EXPECT_EQ(shards[0].file_name, "model-00001-of-00003.safetensors");
  EXPECT_EQ(shards[2].file_name, "model-00003-of-00003.safetensors");
  for (int block = 0; block < 2; ++block) {
    const std::set<std::string> names = NamesOf(shards[static_cast<size_t>(block)]);
    EXPECT_EQ(names.size(), 3U * 7 + 2);
    for (const std::string& name : names)
      EXPECT_TRUE(absl::StartsWith(name, "model.layers." + std::to_string(block) + ".")) << name;
  }
  EXPECT_THAT(NamesOf(shards[2]), UnorderedElementsAre("model.embed_tokens.weight", "model.norm.weight"));
}

TEST_F(OutputLayoutTest, TellsBlock1FromBlock10) {
  const std::vector<OutputShard> shards = UniformShards(Make({.num_blocks = 12}));
  ASSERT_THAT(shards, SizeIs(13));
  EXPECT_TRUE(NamesOf(shards[1]).contains("model.layers.1.input_layernorm.weight"));
  EXPECT_TRUE(NamesOf(shards[10]).contains("model.layers.10.input_layernorm.weight"));
  for (size_t block = 0; block < 12; ++block) EXPECT_THAT(shards[block].tensors, SizeIs(23));
}

TEST_F(OutputLayoutTest, ReplacesEachLinearsWeightByItsPackedForm) {
  const ModelFolder source = Make({.attention_bias = true});
  const std::vector<OutputShard> shards = UniformShards(source);
  const std::set<std::string> names = NamesOf(shards[0]);
  EXPECT_FALSE(names.contains("model.layers.0.self_attn.k_proj.weight"));
  EXPECT_TRUE(names.contains("model.layers.0.self_attn.k_proj.bias"));
  for (const TensorSpec& expected :
       StoredTensors("model.layers.0.self_attn.k_proj", {.out_features = 32, .in_features = 64}, {.scheme = kScheme})) {
    const auto found = std::find_if(shards[0].tensors.begin(), shards[0].tensors.end(),
                                    [&](const TensorSpec& spec) { return spec.name == expected.name; });
    ASSERT_NE(found, shards[0].tensors.end()) << expected.name;
    EXPECT_EQ(found->shape, expected.shape);
    EXPECT_EQ(found->dtype, expected.dtype);
  }
}

TEST_F(OutputLayoutTest, KeepsEveryOtherTensorAsItIs) {
  const ModelFolder source =
      Make({.model_type = "qwen2", .tied_embeddings = false, .num_shards = 2, .dtype = Dtype::kFloat16});
  std::map<std::string, TensorSpec> written;
  for (const OutputShard& shard : UniformShards(source)) {
    for (const TensorSpec& spec : shard.tensors) written[spec.name] = spec;
  }
  int num_kept = 0;
  for (const auto& [name, location] : source.tensors()) {
    EXPECT_EQ(written.contains(name), IsKeptInUniform(source, name)) << name;
    if (!IsKeptInUniform(source, name)) continue;
    ++num_kept;
    EXPECT_EQ(written[name].dtype, Dtype::kFloat16);
    EXPECT_EQ(written[name].shape, location.info->shape);
  }
  EXPECT_EQ(num_kept, 3 + 2 * 5) << "table, norm and head; two norms and three biases a block";
}

TEST_F(OutputLayoutTest, DropsTheHeadOfATiedModel) {
  const ModelFolder untied = Make({.tied_embeddings = false});
  EXPECT_TRUE(IsKeptInUniform(untied, "lm_head.weight"));
  EXPECT_THAT(NamesOf(UniformShards(untied).back()),
              UnorderedElementsAre("lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"));
  // Some tools write the head of a tied model too.
  folder_.Write("model/config.json", TinyConfigJson({.tied_embeddings = true}));
  const ModelFolder tied = *ModelFolder::Open(folder_ / "model");
  ASSERT_NE(tied.Find("lm_head.weight"), nullptr);
  EXPECT_FALSE(IsKeptInUniform(tied, "lm_head.weight"));
  EXPECT_THAT(NamesOf(UniformShards(tied).back()),
              UnorderedElementsAre("model.embed_tokens.weight", "model.norm.weight"));
}

TEST_F(OutputLayoutTest, QuantizesNothingThatOnlyLooksLikeALinear) {
  const ModelFolder source = Make({});
  for (const char* name :
       {"model.layers.0.self_attn.q_proj.bias", "model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.layers.0.mlp.gate.weight", "vision.layers.0.mlp.up_proj.weight", "model.layers.0", "model.layers.",
        "model.layers.2.mlp.up_proj.weight", "model.layers.-1.mlp.up_proj.weight"}) {
    EXPECT_TRUE(IsKeptInUniform(source, name)) << name;
  }
  EXPECT_FALSE(IsKeptInUniform(source, "model.layers.1.mlp.up_proj.weight"));
}

TEST_F(OutputLayoutTest, ListsEveryTensorInTheIndex) {
  const std::vector<OutputShard> shards = UniformShards(Make({}));
  const std::string text = IndexJson(shards);
  const auto index = nlohmann::json::parse(text);
  int64_t total = 0;
  size_t count = 0;
  for (const OutputShard& shard : shards) {
    for (const TensorSpec& spec : shard.tensors) {
      total += *NumElements(spec.shape) * DtypeBits(spec.dtype) / 8;
      EXPECT_EQ(index["weight_map"][spec.name], shard.file_name);
      ++count;
    }
  }
  EXPECT_EQ(index["metadata"]["total_size"], total);
  EXPECT_EQ(index["weight_map"].size(), count);
  EXPECT_EQ(text.back(), '\n');
}

TEST_F(OutputLayoutTest, WritesTheIndexInOneWay) {
  const std::vector<OutputShard> shards = {
      {.file_name = "f1", .tensors = {{"b", Dtype::kBfloat16, {3}}, {"a", Dtype::kInt32, {2, 2}}}},
      {.file_name = "f2", .tensors = {{"c", Dtype::kUint8, {0}}}}};
  EXPECT_EQ(IndexJson(shards), R"({
  "metadata": {
    "total_size": 22
  },
  "weight_map": {
    "a": "f1",
    "b": "f1",
    "c": "f2"
  }
}
)");
}

TEST_F(OutputLayoutTest, MergesNeighboursUpToASize) {
  const auto shard = [](const std::string& name, int64_t bytes) {
    return OutputShard{.file_name = name, .tensors = {{name, Dtype::kUint8, {bytes}}}};
  };
  const auto merged =
      MergeShards({shard("a", 60), shard("b", 40), shard("c", 1), shard("d", 500), shard("e", 100)}, 100);
  std::vector<std::string> contents;
  for (const OutputShard& one : merged) {
    std::string names = one.file_name + ":";
    for (const TensorSpec& tensor : one.tensors) names += tensor.name;
    contents.push_back(names);
  }
  EXPECT_THAT(contents,
              ::testing::ElementsAre("model-00001-of-00004.safetensors:ab", "model-00002-of-00004.safetensors:c",
                                     "model-00003-of-00004.safetensors:d", "model-00004-of-00004.safetensors:e"));
  EXPECT_EQ(MergeShards({shard("a", 60), shard("b", 40)}, 1000).front().file_name, "model.safetensors");
}

}  // namespace
}  // namespace pivot

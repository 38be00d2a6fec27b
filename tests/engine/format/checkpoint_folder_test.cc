// SPDX-License-Identifier: Apache-2.0
#include "engine/format/checkpoint_folder.h"

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/engine/format/compressed_model.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kDown[] = "model.layers.1.mlp.down_proj";
constexpr WeightScheme kScheme{.bits = 4, .group_size = 64};

class CheckpointFolderTest : public ::testing::Test {
 protected:
  CheckpointFolderTest() : source_(MakeSource({})), compressed_(CompressWithZeros(source_, kScheme)) {}

  ModelFolder MakeSource(const TinyModelOptions& options) {
    EXPECT_OK(WriteTinyModel(folder_ / "source", options));
    return *ModelFolder::Open(folder_ / "source");
  }

  /// Writes the model as it is now and says what is wrong with it.
  std::vector<std::string> Problems() {
    std::filesystem::remove_all(output_);
    EXPECT_OK(WriteCompressedModel(compressed_, source_, output_));
    const auto checkpoint = OpenCheckpointUnchecked(output_);
    EXPECT_OK(checkpoint);
    return TensorProblems(*checkpoint);
  }

  TemporaryFolder folder_;
  std::string output_ = folder_ / "output";
  ModelFolder source_;
  CompressedModel compressed_;
};

TEST_F(CheckpointFolderTest, OpensAPlainModel) {
  ASSERT_OK_AND_ASSIGN(const CheckpointFolder checkpoint, OpenCheckpoint(folder_ / "source"));
  EXPECT_FALSE(checkpoint.quantization.has_value());
  EXPECT_EQ(checkpoint.StorageOf(kDown, {64, 128}), std::nullopt);
  EXPECT_THAT(TensorProblems(checkpoint), IsEmpty());
}

TEST_F(CheckpointFolderTest, OpensACompressedModelOfEveryWidth) {
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    const WeightScheme scheme{.bits = bits, .group_size = 32};
    compressed_ = CompressWithZeros(source_, scheme);
    EXPECT_THAT(Problems(), IsEmpty());
    ASSERT_OK_AND_ASSIGN(const CheckpointFolder checkpoint, OpenCheckpoint(output_));
    EXPECT_EQ(checkpoint.StorageOf(kDown, {64, 128}), LinearStorage{.scheme = scheme});
    EXPECT_EQ(checkpoint.StorageOf("lm_head", {320, 64}), std::nullopt);
  }
}

TEST_F(CheckpointFolderTest, OpensCompressedModelsOfOtherKinds) {
  for (const TinyModelOptions& options :
       {TinyModelOptions{.model_type = "qwen2"}, TinyModelOptions{.tied_embeddings = false, .attention_bias = true},
        TinyModelOptions{.dtype = Dtype::kFloat32}}) {
    const ModelFolder source = MakeSource(options);
    std::filesystem::remove_all(output_);
    ASSERT_OK(WriteCompressedModel(CompressWithZeros(source, kScheme), source, output_));
    EXPECT_OK(OpenCheckpoint(output_));
  }
}

TEST_F(CheckpointFolderTest, FillsInTheGroupSizeOfAScalePerRow) {
  compressed_ = CompressWithZeros(source_, {.bits = 4, .group_size = 64});
  json config = json::parse(compressed_.config_json);
  json& weights = config["quantization_config"]["config_groups"]["group_0"]["weights"];
  weights["strategy"] = "channel";
  weights["group_size"] = nullptr;
  compressed_.config_json = config.dump();
  compressed_.Spec("model.layers.0.mlp.down_proj.weight_scale").shape = {64, 1};
  compressed_.Spec("model.layers.1.mlp.down_proj.weight_scale").shape = {64, 1};
  EXPECT_THAT(Problems(), IsEmpty());
  ASSERT_OK_AND_ASSIGN(const CheckpointFolder checkpoint, OpenCheckpoint(output_));
  EXPECT_EQ(checkpoint.StorageOf(kDown, {64, 128})->scheme.group_size, 128);
  EXPECT_EQ(checkpoint.StorageOf("model.layers.1.mlp.up_proj", {128, 64})->scheme.group_size, 64);
}

TEST_F(CheckpointFolderTest, ReadsScalesOfFloat16Too) {
  for (OutputShard& shard : compressed_.shards) {
    for (TensorSpec& spec : shard.tensors) {
      if (spec.name.ends_with(".weight_scale")) spec.dtype = Dtype::kFloat16;
    }
  }
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(CheckpointFolderTest, NamesEveryTensorThatIsMissing) {
  for (const char* name : {"model.norm.weight", "model.embed_tokens.weight", "model.layers.0.input_layernorm.weight",
                           "model.layers.1.post_attention_layernorm.weight"}) {
    compressed_.Remove(name);
    EXPECT_THAT(Problems(), Contains(HasSubstr(std::string("has no tensor ") + name)));
  }
  for (const char* end : {".weight_packed", ".weight_scale", ".weight_shape"}) {
    compressed_.Remove(std::string(kDown) + end);
    EXPECT_THAT(Problems(), Contains(std::string(kDown) + end + " is missing"));
  }
  EXPECT_THAT(Problems(), SizeIs(7));
}

TEST_F(CheckpointFolderTest, NamesTensorsOfAnotherShapeOrDtype) {
  compressed_.Spec("model.layers.0.self_attn.q_proj.weight_packed").shape = {64, 9};
  compressed_.Spec("model.layers.0.self_attn.k_proj.weight_scale").dtype = Dtype::kInt16;
  compressed_.Spec("model.layers.0.self_attn.v_proj.weight_shape").dtype = Dtype::kFloat64;
  compressed_.Spec("model.norm.weight").shape = {65};
  EXPECT_THAT(Problems(),
              ElementsAre(HasSubstr("tensor model.norm.weight is BF16 [65]"),
                          "model.layers.0.self_attn.q_proj.weight_packed is I32 [64, 9] instead of I32 [64, 8]",
                          "model.layers.0.self_attn.k_proj.weight_scale is I16 [32, 1] instead of BF16 [32, 1]",
                          "model.layers.0.self_attn.v_proj.weight_shape is F64 [2] instead of I64 [2]"));
}

TEST_F(CheckpointFolderTest, ComparesTheStoredShapeWithTheConfiguration) {
  std::string& shape = compressed_.bytes[std::string(kDown) + ".weight_shape"];
  std::swap_ranges(shape.begin(), shape.begin() + 8, shape.begin() + 8);
  EXPECT_THAT(Problems(), ElementsAre(std::string(kDown) + ".weight_shape says [128, 64] instead of [64, 128]"));
}

TEST_F(CheckpointFolderTest, NamesGroupsThatDoNotDivideTheColumns) {
  json config = json::parse(compressed_.config_json);
  config["quantization_config"]["config_groups"]["group_0"]["weights"]["group_size"] = 48;
  compressed_.config_json = config.dump();
  const std::vector<std::string> problems = Problems();
  EXPECT_THAT(problems, SizeIs(14));
  EXPECT_THAT(problems, Each(HasSubstr("groups of 48 do not divide its")));
}

TEST_F(CheckpointFolderTest, AsksForPlainWeightsWhereTheSchemeIgnoresThem) {
  json config = json::parse(compressed_.config_json);
  config["quantization_config"]["ignore"].push_back(kDown);
  compressed_.config_json = config.dump();
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr(std::string("has no tensor ") + kDown + ".weight")));
}

TEST_F(CheckpointFolderTest, RefusesToOpenWhatHasProblems) {
  compressed_.Remove("model.norm.weight");
  compressed_.Remove(std::string(kDown) + ".weight_scale");
  EXPECT_THAT(Problems(), SizeIs(2));
  const auto checkpoint = OpenCheckpoint(output_);
  EXPECT_THAT(checkpoint, StatusIs(absl::StatusCode::kInvalidArgument,
                                   AllOf(HasSubstr("has no tensor model.norm.weight"), HasSubstr("(and 1 more)"))));
  EXPECT_EQ(ReasonOf(checkpoint.status()), "MALFORMED_WEIGHTS");
  EXPECT_OK(OpenCheckpointUnchecked(output_));
}

TEST_F(CheckpointFolderTest, PassesOnAQuantizationThatItDoesNotRead) {
  folder_.Write("source/config.json",
                R"({"quantization_config": {"quant_method": "awq"},)" + TinyConfigJson({}).substr(1));
  const auto checkpoint = OpenCheckpointUnchecked(folder_ / "source");
  EXPECT_THAT(checkpoint, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"awq\"")));
  EXPECT_EQ(ReasonOf(checkpoint.status()), "UNSUPPORTED_CHECKPOINT");
}

// Of the tiny model: 2 blocks of 36,864 quantized weights, a table of 320 x 64, five norms of 64.
constexpr int64_t kQuantizedWeights = int64_t{2} * 36864;
constexpr int64_t kOtherWeights = int64_t{320} * 64 + int64_t{5} * 64;

TEST_F(CheckpointFolderTest, ShowsWhatAPlainModelIs) {
  ASSERT_OK_AND_ASSIGN(const json summary, Inspect(folder_ / "source"));
  EXPECT_EQ(summary["schema"], 1);
  EXPECT_EQ(summary["architecture"], "llama");
  EXPECT_EQ(summary["num_blocks"], 2);
  EXPECT_EQ(summary["hidden_size"], 64);
  EXPECT_EQ(summary["vocab_size"], 320);
  EXPECT_EQ(summary["parameters"], kQuantizedWeights + kOtherWeights);
  EXPECT_EQ(summary["weight_bytes"], std::filesystem::file_size(folder_ / "source/model.safetensors"));
  EXPECT_EQ(summary["files"], 1);
  EXPECT_EQ(summary["tensors"], 20);
  EXPECT_EQ(summary["format"], "plain");
  EXPECT_EQ(summary["bits_per_weight"], 0.0);
  EXPECT_EQ(summary["model_bits_per_weight"], 16.0);
  EXPECT_EQ(summary["groups"], json::array());
  EXPECT_EQ(summary["dtypes"], json::parse(R"({"BF16": 20})"));
  EXPECT_EQ(summary["problems"], json::array());
}

TEST_F(CheckpointFolderTest, ShowsWhatACompressedModelIs) {
  ASSERT_THAT(Problems(), IsEmpty());
  ASSERT_OK_AND_ASSIGN(const json summary, Inspect(output_));
  EXPECT_EQ(summary["format"], "compressed-tensors");
  EXPECT_EQ(summary["parameters"], kQuantizedWeights + kOtherWeights);
  EXPECT_EQ(summary["files"], 3);
  EXPECT_EQ(summary["tensors"], 3 * 14 + 6);
  EXPECT_DOUBLE_EQ(summary["bits_per_weight"].get<double>(), 4.25);
  EXPECT_DOUBLE_EQ(summary["model_bits_per_weight"].get<double>(),
                   (4.25 * kQuantizedWeights + 16.0 * kOtherWeights) / (kQuantizedWeights + kOtherWeights));
  EXPECT_EQ(summary["groups"], json::parse(R"([{"type": "int", "bits": 4, "group_size": 64, "modules": 14}])"));
  EXPECT_EQ(summary["dtypes"], json::parse(R"({"BF16": 20, "I32": 14, "I64": 14})"));
}

TEST_F(CheckpointFolderTest, CountsEveryWeightOfFloatsOnce) {
  for (const std::string name : {"fp8", "nvfp4", "mxfp4"}) {
    const std::string folder = folder_ / name;
    ASSERT_OK(WriteCompressedModel(CompressWithZeros(source_, *FloatScheme(name)), source_, folder));
    ASSERT_OK_AND_ASSIGN(const CheckpointFolder checkpoint, OpenCheckpoint(folder));
    EXPECT_EQ(checkpoint.Schemes().Distinct().size(), 1U) << name;
    ASSERT_OK_AND_ASSIGN(const json summary, Inspect(folder));
    EXPECT_EQ(summary["parameters"], kQuantizedWeights + kOtherWeights) << name;
    EXPECT_EQ(summary["groups"][0]["type"], name);
    EXPECT_EQ(summary["problems"], json::array());
  }
}

TEST_F(CheckpointFolderTest, ShowsTheProblemsOfADamagedModel) {
  compressed_.Remove("model.norm.weight");
  EXPECT_THAT(Problems(), SizeIs(1));
  ASSERT_OK_AND_ASSIGN(const json summary, Inspect(output_));
  EXPECT_THAT(summary["problems"].get<std::vector<std::string>>(), ElementsAre(HasSubstr("model.norm.weight")));
}

}  // namespace
}  // namespace pivot

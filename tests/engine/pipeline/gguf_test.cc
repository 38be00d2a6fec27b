// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/checkpoint/gguf_linear.h"
#include "engine/forward/weights.h"
#include "engine/model/folder_tokenizer.h"
#include "engine/model/gguf/gguf_model.h"
#include "engine/tasks/tasks.h"
#include "proto/files/durable_file.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class GgufTest : public ::testing::TestWithParam<std::string> {
 protected:
  GgufTest() {
    hooks_.publish = [](const StagedPivot&) { return absl::OkStatus(); };
  }

  void MakeModel(const std::string& model_type) {
    TinyModelOptions options{.model_type = model_type, .num_blocks = 2, .tied_embeddings = model_type == "llama"};
    options.attention_bias = model_type == "llama";
    EXPECT_OK(WriteTinyModel(model_, options));
  }

  absl::Status Run(const json& spec, const std::string& name) {
    EXPECT_OK(MakeFolders(folder_ / name));
    const auto device = OpenDevice("cpu", 1);
    EXPECT_OK(device);
    return RunTask(spec, {.job_name = "test", .staging_folder = folder_ / name, .device = &*device, .hooks = &hooks_})
        .status();
  }

  std::string PathOf(const std::string& name) { return folder_ / (name + "/pivot-0"); }

  absl::Status Compress(const std::string& name, const json& changes, const std::string& source = "") {
    json task{{"source", {{"path", source.empty() ? model_ : source}}},
              {"bits", 4},
              {"group_size", 32},
              {"quantize", {{"method", "rtn"}}},
              {"evaluation", {{"skip", true}}}};
    task.merge_patch(changes);
    return Run({{"compress", task}}, name);
  }

  absl::Status Convert(const std::string& source, const std::string& format, const std::string& name) {
    return Run({{"convert", {{"source", {{"path", source}}}, {"format", format}}}}, name);
  }

  static std::string TypeOf(const std::string& folder, const std::string& tensor) {
    const auto opened = ModelFolder::Open(folder);
    EXPECT_OK(opened);
    for (const GgufTensor& stored : opened->gguf()->file().tensors()) {
      if (stored.name == tensor) return std::string(GgmlTypeName(stored.type));
    }
    return "none";
  }

  /// Every weight and bias of the decoder blocks' linears, and the other tensors, in fp32.
  static std::map<std::string, at::Tensor> NumbersOf(const std::string& path) {
    const auto folder = OpenCheckpoint(path);
    EXPECT_OK(folder);
    const WeightReader reader(*folder, at::kFloat, at::kCPU);
    std::map<std::string, at::Tensor> numbers = {{"embedding", reader.ReadEmbedding()->tokens},
                                                 {"head", reader.ReadHead()->head.weight}};
    for (int block = 0; block < 2; ++block) {
      const BlockWeights weights = *reader.ReadBlock(block);
      numbers[std::to_string(block)] = weights.norm(NormRole::kAttention).weight;
      for (const LinearEntry& linear : folder->model.config().architecture->linears) {
        const std::string name = std::to_string(block) + std::string(linear.name);
        numbers[name] = weights.linears[static_cast<size_t>(linear.role)].weight;
        const at::Tensor& bias = weights.linears[static_cast<size_t>(linear.role)].bias;
        if (bias.defined()) numbers[name + ".bias"] = bias;
      }
    }
    return numbers;
  }

  static void ExpectSameNumbers(const std::string& a, const std::string& b) {
    const auto expected = NumbersOf(a);
    const auto found = NumbersOf(b);
    ASSERT_EQ(expected.size(), found.size());
    for (const auto& [name, numbers] : found) EXPECT_TRUE(at::equal(numbers, expected.at(name))) << name;
  }

  TemporaryFolder folder_;
  std::string model_ = folder_ / "model";
  JobHooks hooks_;
};

INSTANTIATE_TEST_SUITE_P(Families, GgufTest, ::testing::Values("llama", "qwen2"),
                         [](const auto& family) { return family.param; });

TEST_P(GgufTest, PlainModelsComeBackAsTheyWere) {
  MakeModel(GetParam());
  ASSERT_OK(Convert(model_, "gguf", "gguf"));
  ExpectSameNumbers(model_, PathOf("gguf"));
  EXPECT_FALSE(fs::exists(PathOf("gguf") + "/config.json")) << "it would look like a folder without weights";
  EXPECT_FALSE(fs::exists(PathOf("gguf") + "/model.safetensors.index.json"));
  EXPECT_EQ(TypeOf(PathOf("gguf"), "blk.1.attn_q.weight"), "BF16");
  EXPECT_EQ(TypeOf(PathOf("gguf"), "blk.1.attn_norm.weight"), "F32");
  EXPECT_EQ(TypeOf(PathOf("gguf"), "output.weight"), GetParam() == "llama" ? "none" : "BF16");
  ASSERT_OK(Convert(PathOf("gguf") + "/model.gguf", "bf16", "back"));
  ExpectSameNumbers(model_, PathOf("back"));
}

TEST_P(GgufTest, CodesOfEveryWidthComeBack) {
  MakeModel(GetParam());
  for (const int bits : {2, 3, 4, 5, 8}) {
    const std::string name = std::to_string(bits);
    ASSERT_OK(Compress(name, {{"bits", bits}, {"group_size", 64}}));
    ASSERT_OK(Convert(PathOf(name), "gguf", name + "g"));
    EXPECT_EQ(TypeOf(PathOf(name + "g"), "blk.0.ffn_up.weight"), bits <= 4 ? "Q4_0" : "Q8_0");
    ExpectSameNumbers(PathOf(name), PathOf(name + "g"));
    ASSERT_OK(Convert(PathOf(name + "g"), "compressed_tensors", name + "back"));
    ExpectSameNumbers(PathOf(name), PathOf(name + "back"));
    ASSERT_OK(Convert(PathOf(name + "g"), "gguf", name + "again"));
    ExpectSameNumbers(PathOf(name), PathOf(name + "again"));
  }
}

TEST_P(GgufTest, ZeroPointsFitQ4_1OrBecomeQ8_0) {
  MakeModel(GetParam());
  ASSERT_OK(Compress("packed", {{"asymmetric", true}}));
  ASSERT_OK(Convert(PathOf("packed"), "gguf", "gguf"));
  EXPECT_EQ(TypeOf(PathOf("gguf"), "blk.0.ffn_up.weight"), "Q8_0") << "8 bits times 4 do not fit 11";
  ExpectSameNumbers(PathOf("packed"), PathOf("gguf"));
  ASSERT_OK(Compress("q4_1", {{"asymmetric", true}, {"format", "gguf"}}));
  for (const char* tensor : {"blk.0.ffn_up.weight", "blk.1.attn_k.weight"})
    EXPECT_EQ(TypeOf(PathOf("q4_1"), tensor), "Q4_1");
  ASSERT_OK(Convert(PathOf("q4_1"), "compressed_tensors", "back"));
  ExpectSameNumbers(PathOf("q4_1"), PathOf("back"));
  ASSERT_OK(Convert(PathOf("back"), "gguf", "again"));
  EXPECT_EQ(TypeOf(PathOf("again"), "blk.0.ffn_up.weight"), "Q4_1");
}

TEST_F(GgufTest, CompressionPlansItsBytes) {
  MakeModel("llama");
  for (const bool asymmetric : {false, true}) {
    const std::string name = asymmetric ? "a" : "s";
    ASSERT_OK(Compress(name, {{"format", "gguf"}, {"asymmetric", asymmetric}}));
    int64_t bytes = 0;
    for (const auto& entry : fs::directory_iterator(PathOf(name))) {
      if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
    }
    const json plan = json::parse(*ReadSmallFile(PathOf(name) + "/pivot/plan.json", 1 << 24));
    EXPECT_EQ(plan["total_bytes"], bytes);
    EXPECT_EQ(plan["bits_per_weight"], asymmetric ? 5.0 : 4.5);
  }
}

TEST_F(GgufTest, IsReadWithoutItsFolder) {
  MakeModel("llama");
  ASSERT_OK(Convert(model_, "gguf", "gguf"));
  const std::string file = folder_ / "alone.gguf";
  fs::copy_file(PathOf("gguf") + "/model.gguf", file);
  ExpectSameNumbers(model_, file);
  ASSERT_OK_AND_ASSIGN(const Tokenizer expected, LoadTokenizer(model_));
  ASSERT_OK_AND_ASSIGN(const Tokenizer found, LoadTokenizer(file));
  const std::string text = PseudoEnglish(50) + "<|end|> 12";
  EXPECT_EQ(*found.Encode(text, SpecialTokens::kAdd), *expected.Encode(text, SpecialTokens::kAdd));
  ASSERT_OK(Compress("packed", {{"bits", 4}}, file));
  ASSERT_OK(Compress("other", {{"bits", 4}}));
  ExpectSameNumbers(PathOf("packed"), PathOf("other"));
  EXPECT_TRUE(fs::exists(PathOf("packed") + "/tokenizer.json")) << "it is made from the file";
}

TEST_F(GgufTest, RefusesLayersThatItHasNoRoomFor) {
  MakeModel("llama");
  ASSERT_OK(Compress("narrow", {{"group_size", 16}}));
  const absl::Status narrow = Convert(PathOf("narrow"), "gguf", "a");
  EXPECT_EQ(ReasonOf(narrow), "FORMAT_CANNOT_EXPRESS");
  EXPECT_THAT(std::string(narrow.message()), HasSubstr("model.layers.0.self_attn.q_proj has groups of 16 columns"));
  ASSERT_OK(Compress("wide", {{"bits", 8}, {"asymmetric", true}}));
  EXPECT_THAT(std::string(Convert(PathOf("wide"), "gguf", "b").message()), HasSubstr("zero points"));
  EXPECT_EQ(ReasonOf(Compress("c", {{"format", "gguf"}, {"group_size", 16}})), "INVALID_SPEC");
  EXPECT_EQ(ReasonOf(Run({{"convert", {{"source", {{"path", model_}}}, {"format", "gguf"}, {"shard_bytes", 1}}}}, "d")),
            "INVALID_SPEC");
}

/// Q4_1 as llama.cpp makes it: offsets that are no multiples of scales.
QuantizedLinear WithOffsets() {
  return {.codes = at::arange(64, at::kLong).remainder(16).sub(8).to(at::kChar).view({1, 64}),
          .scale = at::tensor({0.5F, 0.25F}).view({1, 2}),
          .zero_point = at::full({1, 2}, -8, at::kChar),
          .offset = at::tensor({-1.5F, -0.375F}).view({1, 2})};
}

TEST(GgufLinearTest, KeepsOffsetsAndSaysWhatCannot) {
  const QuantizedLinear linear = WithOffsets();
  ASSERT_OK_AND_ASSIGN(const at::Tensor bytes, EncodeBlocks(linear, "m", GgmlType::kQ4_1));
  EXPECT_TRUE(at::equal(Dequantize(DecodeBlocks(bytes, GgmlType::kQ4_1)), Dequantize(linear)));
  EXPECT_THAT(WithoutOffset(linear, "m"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("m has offsets that are no multiples")));
  QuantizedLinear multiple = linear;
  multiple.offset = at::tensor({-1.5F, -0.75F}).view({1, 2});
  ASSERT_OK_AND_ASSIGN(const QuantizedLinear without, WithoutOffset(multiple, "m"));
  EXPECT_FALSE(without.offset.defined());
  EXPECT_TRUE(at::equal(Dequantize(without), Dequantize(multiple)));
  EXPECT_FALSE(EncodeBlocks(linear, "m", GgmlType::kQ8_0).ok());
}

}  // namespace
}  // namespace pivot

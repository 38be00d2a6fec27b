// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/gguf_model.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/gguf/gguf_names.h"
#include "engine/model/gguf/gguf_writer.h"
#include "engine/model/model_folder.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A llama of one block: 32 wide, two heads of 16, one of them for keys, 3 tokens. What is in the file is up to a test.
struct RawModel {
  std::string architecture = "llama";
  GgufValues more;
  bool has_head_count = true;
  std::vector<GgufSpec> specs = {
      {"token_embd.weight", GgmlType::kQ8_0, {3, 32}},          {"output_norm.weight", GgmlType::kFloat32, {32}},
      {"blk.0.attn_norm.weight", GgmlType::kFloat32, {32}},     {"blk.0.attn_q.weight", GgmlType::kFloat32, {32, 32}},
      {"blk.0.attn_k.weight", GgmlType::kQ4_0, {16, 32}},       {"blk.0.attn_v.weight", GgmlType::kQ4_0, {16, 32}},
      {"blk.0.attn_output.weight", GgmlType::kQ6_K, {256, 256}}};
};

class GgufModelTest : public ::testing::Test {
 protected:
  std::string Write(const RawModel& model, const std::string& name = "m.gguf") {
    GgufValues values = model.more;
    values.AddText("general.architecture", model.architecture);
    for (const auto& [key, value] : std::vector<std::pair<std::string, uint32_t>>{
             {"embedding_length", 32}, {"feed_forward_length", 64}, {"block_count", 1}, {"context_length", 128}})
      values.AddInteger(model.architecture + "." + key, value);
    if (model.has_head_count) values.AddInteger(model.architecture + ".attention.head_count", 2);
    values.AddInteger(model.architecture + ".attention.head_count_kv", 1);
    std::string content = LayOutGguf(values, model.specs).head;
    content.resize(static_cast<size_t>(LayOutGguf(values, model.specs).file_bytes), '\x11');
    return folder_.Write(name, content);
  }

  void ExpectRefused(const std::string& reason, const std::string& phrase,
                     const std::function<void(RawModel&)>& change) {
    RawModel model;
    change(model);
    const absl::Status status = GgufModel::Open(Write(model)).status();
    EXPECT_EQ(ReasonOf(status), reason) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(phrase));
  }

  TemporaryFolder folder_;
};

TEST_F(GgufModelTest, ShowsTensorsAsAFolderDoes) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder folder, ModelFolder::Open(Write({})));
  EXPECT_EQ(folder.name(), "m");
  EXPECT_EQ(folder.config().vocab_size, 3);
  EXPECT_EQ(folder.config().head_dim, 16);
  EXPECT_TRUE(folder.config().tied_embeddings);
  const TensorInfo* embedding = folder.Find("model.embed_tokens.weight");
  ASSERT_NE(embedding, nullptr);
  EXPECT_EQ(embedding->dtype, Dtype::kFloat32);
  EXPECT_EQ(folder.Read("model.embed_tokens.weight").bytes.size(), 3U * 32 * 4) << "it is dequantized";
  const TensorInfo* key = folder.Find("model.layers.0.self_attn.k_proj.weight_gguf");
  ASSERT_NE(key, nullptr);
  EXPECT_THAT(key->shape, ElementsAre(16, 18));
  EXPECT_EQ(folder.Read("nothing").bytes, "");
}

TEST_F(GgufModelTest, OpensAFolderWithOneFile) {
  Write({}, "model/a.gguf");
  ASSERT_OK_AND_ASSIGN(const ModelFolder folder, ModelFolder::Open(folder_ / "model"));
  EXPECT_NE(folder.gguf(), nullptr);
  Write({}, "model/b.gguf");
  EXPECT_THAT(ModelFolder::Open(folder_ / "model"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("2 GGUF files: name one")));
}

TEST_F(GgufModelTest, RefusesByNameWhatTheTableHasNot) {
  const std::string unsupported = "UNSUPPORTED_ARCHITECTURE";
  ExpectRefused(unsupported, "\"gemma\" is not supported; supported: llama, qwen2",
                [](RawModel& model) { model.architecture = "gemma"; });
  ExpectRefused("UNSUPPORTED_CHECKPOINT", "one of 3 files",
                [](RawModel& model) { model.more.AddInteger("split.count", 3); });
  ExpectRefused(unsupported, "mixtures of experts",
                [](RawModel& model) { model.more.AddInteger("llama.expert_count", 8); });
  ExpectRefused(unsupported, "rope_freqs.weight",
                [](RawModel& model) { model.specs.push_back({"rope_freqs.weight", GgmlType::kFloat32, {8}}); });
  ExpectRefused(unsupported, "blk.0.attn_q_norm.weight",
                [](RawModel& model) { model.specs.push_back({"blk.0.attn_q_norm.weight", GgmlType::kFloat32, {16}}); });
  ExpectRefused(unsupported, "\"yarn\"",
                [](RawModel& model) { model.more.AddText("llama.rope.scaling.type", "yarn"); });
  ExpectRefused(unsupported, "partial rotary",
                [](RawModel& model) { model.more.AddInteger("llama.rope.dimension_count", 8); });
}

TEST_F(GgufModelTest, RefusesValuesThatAreMissingOrWrong) {
  ExpectRefused("MALFORMED_WEIGHTS", "llama.attention.head_count is missing",
                [](RawModel& model) { model.has_head_count = false; });
  ExpectRefused("MALFORMED_WEIGHTS", "llama.rope.freq_base is missing, or is no single number",
                [](RawModel& model) { model.more.AddInteger("llama.rope.freq_base", 10000); });
  ExpectRefused("MALFORMED_WEIGHTS", "llama.attention.key_length",
                [](RawModel& model) { model.more.AddIntegers("llama.attention.key_length", {16, 16}); });
  ExpectRefused("MALFORMED_WEIGHTS", "token_embd.weight",
                [](RawModel& model) { model.specs.erase(model.specs.begin()); });
}

TEST(GgufNamesTest, LeadThereAndBack) {
  const Architecture& llama = *FindArchitecture("llama");
  EXPECT_EQ(GgufTensorName(llama, "model.layers.12.mlp.down_proj.weight"), "blk.12.ffn_down.weight");
  EXPECT_EQ(NameOfGgufTensor(llama, "blk.12.attn_output.bias"), "model.layers.12.self_attn.o_proj.bias");
  EXPECT_EQ(NameOfGgufTensor(llama, "output.weight"), "lm_head.weight");
  EXPECT_FALSE(NameOfGgufTensor(llama, "blk.x.attn_q.weight").has_value());
}

TEST(GgufNamesTest, RowsOfEachHeadAlternateBetweenItsHalves) {
  // Two heads of four rows, a byte a row.
  EXPECT_EQ(InterleaveRows("abcdABCD", 8, 2), "acbdACBD");
  EXPECT_EQ(SeparateRows("acbdACBD", 8, 2), "abcdABCD");
}

}  // namespace
}  // namespace pivot

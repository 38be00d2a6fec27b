// SPDX-License-Identifier: Apache-2.0
#include "engine/model/fused_experts.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/model_folder.h"
#include "engine/model/required_tensors.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

constexpr char kExperts[] = "block_sparse_moe.experts.";

/// A tiny mixture, and the same one with a tensor for all experts of a block, as transformers 5 has it in memory.
class FusedExpertsTest : public ::testing::Test {
 protected:
  FusedExpertsTest() {
    EXPECT_OK(WriteTinyModel(folder_ / "separate", options_));
    EXPECT_OK(WriteTinyModel(folder_ / "fused", options_));
  }

  /// Rewrites the weights of "fused" with as many experts as that.
  void Fuse(int64_t experts) {
    const ModelFolder source = *ModelFolder::Open(folder_ / "separate");
    std::vector<TensorSpec> specs;
    std::vector<std::string> bytes;
    for (const auto& [name, location] : source.tensors()) {
      if (name.find("block_sparse_moe") != std::string::npos) continue;
      specs.push_back({name, location.info->dtype, location.info->shape});
      bytes.emplace_back(source.Bytes(name));
    }
    for (int block = 0; block < 2; ++block) {
      const std::string prefix = "model.layers." + std::to_string(block) + ".";
      std::string gate_up, down;
      for (int64_t expert = 0; expert < experts; ++expert) {
        const std::string module = prefix + kExperts + std::to_string(expert) + ".";
        absl::StrAppend(&gate_up, source.Bytes(module + "w1.weight"), source.Bytes(module + "w3.weight"));
        absl::StrAppend(&down, source.Bytes(module + "w2.weight"));
      }
      specs.push_back({prefix + "mlp.gate.weight", Dtype::kBfloat16, {4, 64}});
      bytes.emplace_back(source.Bytes(prefix + "block_sparse_moe.gate.weight"));
      specs.push_back({prefix + "mlp.experts.gate_up_proj", Dtype::kBfloat16, {experts, 256, 64}});
      bytes.push_back(gate_up);
      specs.push_back({prefix + "mlp.experts.down_proj", Dtype::kBfloat16, {experts, 64, 128}});
      bytes.push_back(down);
    }
    std::vector<TensorBytes> tensors;
    for (size_t i = 0; i < specs.size(); ++i) tensors.push_back({specs[i], bytes[i]});
    EXPECT_OK(WriteSafetensors(folder_ / "fused/model.safetensors", tensors));
  }

  TinyModelOptions options_{.model_type = "mixtral"};
  TemporaryFolder folder_;
};

TEST_F(FusedExpertsTest, ShowEveryExpertsOwnWeights) {
  Fuse(4);
  ASSERT_OK_AND_ASSIGN(const ModelFolder separate, ModelFolder::Open(folder_ / "separate"));
  ASSERT_OK_AND_ASSIGN(const ModelFolder fused, ModelFolder::Open(folder_ / "fused"));
  EXPECT_OK(CheckTensors(fused));
  ASSERT_EQ(fused.tensors().size(), separate.tensors().size());
  for (const auto& [name, location] : separate.tensors()) {
    ASSERT_NE(fused.Find(name), nullptr) << name;
    EXPECT_EQ(fused.Find(name)->shape, location.info->shape);
    EXPECT_EQ(fused.Bytes(name), separate.Bytes(name)) << name;
  }
}

TEST_F(FusedExpertsTest, AreRefusedInAnotherShape) {
  Fuse(3);
  const auto opened = ModelFolder::Open(folder_ / "fused");
  EXPECT_THAT(opened, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("down_proj is BF16 [3, 64, 128]; config.json asks for")));
  EXPECT_EQ(ReasonOf(opened.status()), "MALFORMED_WEIGHTS");
}

}  // namespace
}  // namespace pivot

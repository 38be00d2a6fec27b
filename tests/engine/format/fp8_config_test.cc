// SPDX-License-Identifier: Apache-2.0
#include "engine/format/fp8_config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/format/quantization_config.h"
#include "engine/model/json.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

absl::StatusOr<QuantizationConfig> Parse(const std::string& more) {
  return ParseQuantizationConfig(*ParseJson(R"({"quant_method": "fp8")" + more + "}", "test"));
}

TEST(Fp8ConfigTest, HasAScaleForEachBlock) {
  ASSERT_OK_AND_ASSIGN(const QuantizationConfig config, Parse(R"(, "weight_block_size": [128, 64], "fmt": "e4m3")"));
  EXPECT_TRUE(config.is_fp8());
  EXPECT_TRUE(config.quantizes_activations()) << "dynamic is the default";
  auto storage = *config.StorageOf("model.layers.0.mlp.up_proj");
  EXPECT_EQ(storage.scheme, (WeightScheme{.bits = 8, .group_size = 64, .type = CodeType::kFloat8, .row_group = 128}));
  storage.float8_scale_name = Float8ScaleName::kWeightScaleInv;
  const auto tensors = StoredTensors("m", {.out_features = 130, .in_features = 64}, storage);
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_EQ(tensors[0].dtype, Dtype::kFloat8E4M3);
  EXPECT_EQ(tensors[1].name, "m.weight_scale_inv");
  EXPECT_EQ(tensors[1].shape, (std::vector<int64_t>{2, 1}));
}

TEST(Fp8ConfigTest, HasOneScaleWithoutBlocks) {
  for (const char* blocks : {"", R"(, "weight_block_size": null)"}) {
    ASSERT_OK_AND_ASSIGN(const QuantizationConfig config, Parse(blocks));
    const auto storage = *config.StorageOf("model.layers.0.mlp.up_proj");
    EXPECT_EQ(storage.scheme.row_group, 0);
    EXPECT_EQ(StoredTensors("m", {.out_features = 3, .in_features = 5}, storage)[1].shape, std::vector<int64_t>{1});
  }
}

TEST(Fp8ConfigTest, LeavesOutWhatWasNotConverted) {
  ASSERT_OK_AND_ASSIGN(const QuantizationConfig config,
                       Parse(R"(, "modules_to_not_convert": ["lm_head", "model.layers.1", "o_proj"])"));
  EXPECT_FALSE(config.StorageOf("lm_head").has_value());
  EXPECT_FALSE(config.StorageOf("model.layers.1.mlp.up_proj").has_value());
  EXPECT_FALSE(config.StorageOf("model.layers.0.self_attn.o_proj").has_value());
  EXPECT_TRUE(config.StorageOf("model.layers.11.mlp.up_proj").has_value());
}

TEST(Fp8ConfigTest, NamesWhatIsNotRead) {
  for (const auto& [more, phrase] : std::vector<std::pair<std::string, std::string>>{
           {R"(, "fmt": "e5m2")", "e5m2"},
           {R"(, "weight_block_size": [128])", "[128]"},
           {R"(, "weight_block_size": [0, 128])", "[0,128]"},
           {R"(, "weight_block_size": [-1, 128])", "[-1,128]"},
           {R"(, "weight_block_size": [18446744073709551615, 1])", "18446744073709551615"},
           {R"(, "fmt": 3)", "fmt"}}) {
    const absl::Status status = Parse(more).status();
    EXPECT_EQ(ReasonOf(status), "UNSUPPORTED_CHECKPOINT") << more;
    EXPECT_THAT(std::string(status.message()), HasSubstr(phrase));
  }
}

}  // namespace
}  // namespace pivot

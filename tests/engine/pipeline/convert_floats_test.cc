// SPDX-License-Identifier: Apache-2.0
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/engine/pipeline/convert_fixture.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST_F(ConvertTest, CarriesFloatingPointCodes) {
  for (const std::string name : {"fp8", "nvfp4", "mxfp4"}) {
    const std::string source = Compressed(name, {{"format", name}, {"bits", nullptr}, {"group_size", nullptr}});
    ASSERT_OK(Convert(source, "compressed_tensors", name + "-again", /*shard_bytes=*/1 << 20));
    ExpectSameWeights(source, folder_ / (name + "-again/pivot-0"));
    EXPECT_EQ(*ReadSmallFile(source + "/config.json", 1 << 20),
              *ReadSmallFile(folder_ / (name + "-again/pivot-0/config.json"), 1 << 20));
    ASSERT_OK(Convert(source, "bf16", name + "-plain"));
    const absl::Status gptq = Convert(source, "gptq", name + "-gptq");
    EXPECT_EQ(ReasonOf(gptq), "FORMAT_CANNOT_EXPRESS");
    EXPECT_THAT(std::string(gptq.message()), HasSubstr("has " + name + " codes; GPTQ has integers"));
    EXPECT_EQ(ReasonOf(Convert(source, name, name + "-anew")), "INVALID_SPEC") << "that would be quantizing";
  }
}

TEST_F(ConvertTest, DropsWhatIsSaidOfActivationsOnlyWithTheCodes) {
  const std::string source = Compressed("fp8", {{"format", "fp8"}, {"bits", nullptr}, {"group_size", nullptr}});
  json config = json::parse(*ReadSmallFile(source + "/config.json", 1 << 20));
  config["quantization_config"]["config_groups"]["group_0"]["input_activations"] = {{"num_bits", 8}, {"type", "float"}};
  ASSERT_OK(WriteFileDurably(source + "/config.json", config.dump()));
  const absl::Status refused = Convert(source, "compressed_tensors", "again");
  EXPECT_EQ(ReasonOf(refused), "FORMAT_CANNOT_EXPRESS");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("quantize activations too"));
  EXPECT_OK(Convert(source, "bf16", "plain"));
}

}  // namespace
}  // namespace pivot

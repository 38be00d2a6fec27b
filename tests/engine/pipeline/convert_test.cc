// SPDX-License-Identifier: Apache-2.0
#include "engine/convert/convert.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "tests/engine/pipeline/convert_fixture.h"

namespace pivot {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(ConvertTest, GoesToGptqAndBackWithTheSameBytes) {
  for (const int bits : {2, 3, 4, 8}) {
    const std::string name = std::to_string(bits);
    const std::string packed = Compressed("packed" + name, {{"bits", bits}});
    for (const char* format : {"gptq", "gptq_v2"}) {
      const std::string other = format + name;
      ASSERT_OK(Convert(packed, format, other));
      ExpectSameWeights(packed, folder_ / (other + "/pivot-0"));
      ASSERT_OK(Convert(folder_ / (other + "/pivot-0"), "compressed_tensors", other + "-back"));
      // GPTQ's scales are fp16; what comes back keeps that type, so that nothing is rounded.
      ExpectSameWeights(packed, folder_ / (other + "-back/pivot-0"));
      ASSERT_OK(Convert(folder_ / (other + "-back/pivot-0"), format, other + "-again"));
      EXPECT_EQ(FilesOf(folder_ / (other + "-again/pivot-0")), FilesOf(folder_ / (other + "/pivot-0")));
    }
  }
}

TEST_F(ConvertTest, CarriesZeroPoints) {
  const std::string packed = Compressed("packed", {{"asymmetric", true}});
  ASSERT_OK(Convert(packed, "gptq_v2", "gptq"));
  ExpectSameWeights(packed, folder_ / "gptq/pivot-0");
  EXPECT_THAT(warnings_, Contains(HasSubstr("gptq-bits (vLLM)")));
  const absl::Status v1 = Convert(packed, "gptq", "v1");
  EXPECT_EQ(ReasonOf(v1), "FORMAT_CANNOT_EXPRESS");
  EXPECT_THAT(std::string(v1.message()), HasSubstr("gptq_v2"));
}

TEST_F(ConvertTest, WritesGptqsConfigurationTwice) {
  ASSERT_OK(Convert(Compressed("packed"), "gptq", "gptq"));
  const json config = json::parse(*ReadSmallFile(folder_ / "gptq/pivot-0/config.json", 1 << 20));
  const json twin = json::parse(*ReadSmallFile(folder_ / "gptq/pivot-0/quantize_config.json", 1 << 20));
  EXPECT_EQ(config["quantization_config"], twin);
  EXPECT_EQ(twin["quant_method"], "gptq");
  ASSERT_OK(Convert(folder_ / "gptq/pivot-0", "compressed_tensors", "back"));
  EXPECT_FALSE(fs::exists(folder_ / "back/pivot-0/quantize_config.json")) << "it would speak of another format";
}

TEST_F(ConvertTest, DequantizesToAPlainModel) {
  const std::string packed = Compressed("packed");
  ASSERT_OK(Convert(packed, "bf16", "plain"));
  ASSERT_OK_AND_ASSIGN(const CheckpointFolder plain, OpenCheckpoint(folder_ / "plain/pivot-0"));
  EXPECT_FALSE(plain.quantization.has_value());
  EXPECT_EQ(published_->bits_per_weight, 0);
  EXPECT_EQ(published_->model_bits_per_weight, 16);
  const auto expected = WeightsOf(packed);
  for (const auto& [module, weight] : WeightsOf(folder_ / "plain/pivot-0"))
    EXPECT_TRUE(at::equal(weight, expected.at(module).to(at::kBFloat16).to(at::kFloat))) << module;
}

TEST_F(ConvertTest, CutsWeightFilesToSize) {
  const std::string packed = Compressed("packed");
  ASSERT_OK(Convert(packed, "compressed_tensors", "one", int64_t{1} << 30));
  EXPECT_TRUE(fs::exists(folder_ / "one/pivot-0/model.safetensors"));
  ExpectSameWeights(packed, folder_ / "one/pivot-0");
  const auto block_bytes = static_cast<int64_t>(fs::file_size(packed + "/model-00001-of-00003.safetensors"));
  ASSERT_OK(Convert(packed, "compressed_tensors", "two", 2 * block_bytes));
  EXPECT_TRUE(fs::exists(folder_ / "two/pivot-0/model-00002-of-00002.safetensors"));
  ExpectSameWeights(packed, folder_ / "two/pivot-0");
}

TEST_F(ConvertTest, RefusesWhatTheFormatCannotExpress) {
  const absl::Status plain = Convert(model_, "gptq", "a");
  EXPECT_EQ(ReasonOf(plain), "FORMAT_CANNOT_EXPRESS");
  EXPECT_THAT(std::string(plain.message()), HasSubstr("pivot compress"));
  const absl::Status five = Convert(Compressed("packed", {{"bits", 5}}), "gptq", "b");
  EXPECT_THAT(std::string(five.message()), HasSubstr("has 5 bits"));
  EXPECT_FALSE(fs::exists(folder_ / "b/pivot-0"));
  EXPECT_THAT(Convert(model_, "awq", "c"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("gptq_v2, bf16")));
}

TEST_F(ConvertTest, SaysWhoCannotReadIt) {
  const std::string packed = Compressed("packed", {{"bits", 3}});
  ASSERT_OK(Convert(packed, "gptq", "gptq"));
  EXPECT_THAT(warnings_, Contains(HasSubstr("gptq-bits (vLLM): 14 layers")));
  warnings_.clear();
  ASSERT_OK(Convert(Compressed("four"), "gptq", "common"));
  EXPECT_THAT(warnings_, Not(Contains(HasSubstr("gptq-bits"))));
}

TEST_F(ConvertTest, CompressesToGptqWithTheWeightsOfTheOtherFormat) {
  const std::string packed = Compressed("packed");
  const std::string gptq = Compressed("gptq", {{"format", "gptq"}});
  ASSERT_OK_AND_ASSIGN(const CheckpointFolder folder, OpenCheckpoint(gptq));
  EXPECT_TRUE(folder.quantization->is_gptq());
  ExpectSameWeights(packed, gptq);
  EXPECT_FALSE(fs::exists(gptq + ".packed")) << "what it was made from is gone";
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(gptq)) {
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  }
  const json plan = json::parse(*ReadSmallFile(gptq + "/pivot/plan.json", 1 << 24));
  EXPECT_EQ(plan["total_bytes"], bytes);
}

/// Bytes of all files below a folder but those in pivot/.
int64_t BytesBelow(const std::string& folder) {
  int64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const bool counts = entry.is_regular_file() && entry.path().parent_path().filename() != "pivot";
    if (counts) bytes += static_cast<int64_t>(entry.file_size());
  }
  return bytes;
}

TEST_F(ConvertTest, CompressesToTwoFoldersWithTheSameWeights) {
  for (const int bits : {4, 8}) {
    const std::string name = std::to_string(bits);
    const std::string both = Compressed("both" + name, {{"bits", bits}, {"format", "both"}});
    ExpectSameWeights(both + "/compressed-tensors", both + "/gptq");
    EXPECT_EQ(FilesOf(both + "/compressed-tensors"), FilesOf(Compressed("packed" + name, {{"bits", bits}})));
    EXPECT_EQ(FilesOf(both + "/gptq"), FilesOf(Compressed("gptq" + name, {{"bits", bits}, {"format", "gptq"}})));
    const json plan = json::parse(*ReadSmallFile(both + "/pivot/plan.json", 1 << 24));
    EXPECT_EQ(plan["total_bytes"], BytesBelow(both));
    EXPECT_EQ(plan["spec"]["format"], "both");
    const json report = json::parse(*ReadSmallFile(both + "/pivot/report.json", 1 << 24));
    EXPECT_EQ(report["quality"]["pivots"][0]["folder"], "compressed-tensors");
    EXPECT_EQ(report["quality"]["pivots"][0]["bytes"], BytesBelow(both));
    std::vector<std::string> entries;
    for (const auto& entry : fs::directory_iterator(both)) entries.push_back(entry.path().filename().string());
    EXPECT_THAT(entries, ::testing::UnorderedElementsAre("compressed-tensors", "gptq", "pivot"));
  }
}

TEST_F(ConvertTest, ConvertsToTwoFoldersWithTheSameWeights) {
  const std::string gptq = Compressed("gptq", {{"format", "gptq"}});
  ASSERT_OK(Convert(gptq, "both", "both", int64_t{1} << 30));
  const std::string both = folder_ / "both/pivot-0";
  ExpectSameWeights(gptq, both + "/compressed-tensors");
  ExpectSameWeights(gptq, both + "/gptq");
  EXPECT_TRUE(fs::exists(both + "/gptq/model.safetensors"));
  const json conversion = json::parse(*ReadSmallFile(both + "/pivot/conversion.json", 1 << 20));
  EXPECT_EQ(conversion["format"], "both");
  EXPECT_THAT(
      OpenCheckpoint(both).status(),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("name " + both + "/compressed-tensors or " + both + "/gptq")));
}

TEST_F(ConvertTest, RefusesTwoFoldersWhoseReadersWouldNotAgree) {
  EXPECT_THAT(Convert(Compressed("three", {{"bits", 3}}), "both", "a"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has 3 bits; both has 4 and 8")));
  json task{{"source", {{"path", model_}}}, {"group_size", 32}, {"format", "both"}, {"bits", 3}};
  const absl::Status bits = Run({{"compress", task}}, folder_ / "b");
  EXPECT_EQ(ReasonOf(bits), "INVALID_SPEC");
  EXPECT_THAT(std::string(bits.message()),
              HasSubstr("bits does not go with \"both\": the model has 3 bits; both has 4 and 8"));
  task["bits"] = 4;
  task["asymmetric"] = true;
  EXPECT_THAT(Run({{"compress", task}}, folder_ / "b"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("symmetric layers only")));
}

TEST_F(ConvertTest, WritesOneCompsConfigurationOnRequest) {
  const std::string packed = Compressed("packed");
  const std::string mixed = Compressed("mixed", {{"format", "mixed_gptq"}});
  ExpectSameWeights(packed, mixed);
  const json config = json::parse(*ReadSmallFile(mixed + "/config.json", 1 << 20));
  EXPECT_EQ(config["quantization_config"]["quant_method"], "mixed_gptq");
  EXPECT_EQ(config["quantization_config"]["quantization_bits"].size(), 2U);
  ASSERT_OK(Convert(mixed, "gptq", "gptq"));
  ExpectSameWeights(packed, folder_ / "gptq/pivot-0");
  auto shards = FilesOf(mixed);
  auto plain = FilesOf(folder_ / "gptq/pivot-0");
  shards.erase("config.json");
  plain.erase("config.json");
  plain.erase("quantize_config.json");
  EXPECT_EQ(shards, plain) << "only the configuration differs";
}

TEST_F(ConvertTest, StopsWhenItIsCancelled) {
  const std::string packed = Compressed("packed");
  hooks_.is_cancelled = [] { return true; };
  EXPECT_THAT(Convert(packed, "gptq", "gptq"), StatusIs(absl::StatusCode::kCancelled, ::testing::_));
  EXPECT_FALSE(fs::exists(folder_ / "gptq/pivot-0"));
}

}  // namespace
}  // namespace pivot

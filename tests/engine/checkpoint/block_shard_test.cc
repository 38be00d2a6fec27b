// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/block_shard.h"

#include <ATen/ATen.h>
#include <filesystem>

#include "engine/ops/kernel_calls.h"
#include "engine/quantize/gptq.h"
#include "proto/files/durable_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

class BlockShardTest : public ::testing::TestWithParam<int> {
 protected:
  BlockShardTest() {
    EXPECT_OK(WriteTinyModel(folder_ / "model"));
    EXPECT_OK(MakeFolders(folder_ / "shards"));
  }

  /// Every linear of block 0 rounded to nearest.
  QuantizedLinears Quantize(const ModelFolder& source) const {
    QuantizedLinears linears;
    at::manual_seed(1);
    for (const LinearEntry& entry : source.config().architecture->linears) {
      const LinearShape shape = ShapeOf(source.config(), entry.role);
      const at::Tensor weight = at::randn({shape.out_features, shape.in_features});
      const at::Tensor scale = *SearchScales(weight, at::ones({shape.in_features}), scheme_, ClipSearch::kNone);
      linears["model.layers.0." + std::string(entry.name)] = {
          .codes = *QuantizeRtn(weight, scale, scheme_.bits), .scale = scale, .scheme = scheme_};
    }
    return linears;
  }

  TemporaryFolder folder_;
  WeightScheme scheme_{.bits = GetParam(), .group_size = 32};
};

TEST_P(BlockShardTest, ReadsBackWhatWasWritten) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder source, ModelFolder::Open(folder_ / "model"));
  const QuantizedLinears linears = Quantize(source);
  const OutputShard shard = OutputShards(source, scheme_)[0];
  ASSERT_OK_AND_ASSIGN(const WrittenFile written, WriteShard(folder_ / "shards", shard, linears, source));
  EXPECT_EQ(written.size, static_cast<int64_t>(std::filesystem::file_size(folder_ / "shards/" + shard.file_name)));
  ASSERT_OK_AND_ASSIGN(const auto weights, ReadShardWeights(folder_ / "shards/" + shard.file_name, scheme_));
  ASSERT_EQ(weights.size(), 7U);
  for (const auto& [module, linear] : linears) {
    EXPECT_TRUE(at::equal(weights.at(module), Dequantize(linear.codes, linear.scale))) << module;
  }
}

TEST_P(BlockShardTest, KeepsTheOtherTensorsOfTheBlock) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder source, ModelFolder::Open(folder_ / "model"));
  const OutputShard shard = OutputShards(source, scheme_)[0];
  ASSERT_OK(WriteShard(folder_ / "shards", shard, Quantize(source), source));
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(folder_ / "shards/" + shard.file_name));
  const TensorInfo* norm = file.Find("model.layers.0.input_layernorm.weight");
  ASSERT_NE(norm, nullptr);
  EXPECT_EQ(file.Bytes(*norm), source.Bytes(norm->name));
}

INSTANTIATE_TEST_SUITE_P(Widths, BlockShardTest, ::testing::Range(2, 9),
                         [](const auto& test) { return "bits" + std::to_string(test.param); });

TEST(BlockShardErrorTest, RefusesAScaleThatBf16DoesNotHold) {
  const TemporaryFolder folder;
  ASSERT_OK(WriteTinyModel(folder / "model"));
  ASSERT_OK_AND_ASSIGN(const ModelFolder source, ModelFolder::Open(folder / "model"));
  const WeightScheme scheme{.bits = 4, .group_size = 32};
  QuantizedLinears linears;
  for (const LinearEntry& entry : source.config().architecture->linears) {
    const LinearShape shape = ShapeOf(source.config(), entry.role);
    linears["model.layers.0." + std::string(entry.name)] = {
        .codes = at::ones({shape.out_features, shape.in_features}, at::kChar),
        .scale = at::full({shape.out_features, shape.in_features / 32}, 1.001F),
        .scheme = scheme};
  }
  EXPECT_THAT(WriteShard(folder.path(), OutputShards(source, scheme)[0], linears, source),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("other weights than those in memory")));
}

}  // namespace
}  // namespace pivot

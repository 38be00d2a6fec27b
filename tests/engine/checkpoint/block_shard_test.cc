// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/block_shard.h"

#include <ATen/ATen.h>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/model/model_shapes.h"
#include "engine/ops/kernel_calls.h"
#include "engine/quantize/gptq.h"
#include "proto/files/durable_file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace pivot {
namespace {

struct ShardCase {
  const char* name;
  StorageForm form;
  WeightScheme scheme;
};

std::vector<OutputShard> Shards(const ModelFolder& source, const WeightScheme& scheme, const StorageForm& form = {}) {
  return OutputShards(source, ModelSchemes::Uniform(source.config(), scheme), form);
}

class BlockShardTest : public ::testing::TestWithParam<ShardCase> {
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
      const QuantizationGrid grid =
          *SearchGrid(weight, at::ones({shape.in_features}), GetParam().scheme, {.clip = ClipSearch::kNone});
      linears["model.layers.0." + std::string(entry.name)] = {.codes = *QuantizeRtn(weight, grid, GetParam().scheme),
                                                              .scale = grid.scale,
                                                              .zero_point = grid.zero_point,
                                                              .scheme = GetParam().scheme};
    }
    return linears;
  }

  std::vector<StoredLinear> Stored(const ModelFolder& source) const {
    std::vector<StoredLinear> stored;
    for (const LinearEntry& entry : source.config().architecture->linears) {
      stored.push_back({.module = "model.layers.0." + std::string(entry.name),
                        .shape = ShapeOf(source.config(), entry.role),
                        .storage = {.layout = GetParam().form.layout, .scheme = GetParam().scheme}});
    }
    return stored;
  }

  TemporaryFolder folder_;
};

TEST_P(BlockShardTest, ReadsBackWhatWasWritten) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder source, ModelFolder::Open(folder_ / "model"));
  const QuantizedLinears linears = Quantize(source);
  const OutputShard shard = Shards(source, GetParam().scheme, GetParam().form)[0];
  ASSERT_OK_AND_ASSIGN(const EncodedLinears encoded, EncodeLinears(linears, GetParam().form));
  ASSERT_OK_AND_ASSIGN(const WrittenFile written, WriteShard(folder_ / "shards", shard, encoded, source));
  EXPECT_EQ(written.size, static_cast<int64_t>(std::filesystem::file_size(folder_ / "shards/" + shard.file_name)));
  ASSERT_OK_AND_ASSIGN(const auto weights, ReadShardWeights(folder_ / "shards/" + shard.file_name, Stored(source)));
  ASSERT_EQ(weights.size(), 7U);
  for (const auto& [module, linear] : linears) {
    EXPECT_TRUE(at::equal(weights.at(module), Dequantize(linear))) << module;
  }
}

TEST_P(BlockShardTest, KeepsTheOtherTensorsOfTheBlock) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder source, ModelFolder::Open(folder_ / "model"));
  const OutputShard shard = Shards(source, GetParam().scheme, GetParam().form)[0];
  ASSERT_OK_AND_ASSIGN(const EncodedLinears encoded, EncodeLinears(Quantize(source), GetParam().form));
  ASSERT_OK(WriteShard(folder_ / "shards", shard, encoded, source));
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(folder_ / "shards/" + shard.file_name));
  const TensorInfo* norm = file.Find("model.layers.0.input_layernorm.weight");
  ASSERT_NE(norm, nullptr);
  EXPECT_EQ(file.Bytes(*norm), source.Bytes(norm->name));
}

TEST_P(BlockShardTest, NamesTheLayerWhoseCodesAreOthersThanInMemory) {
  ASSERT_OK_AND_ASSIGN(const ModelFolder source, ModelFolder::Open(folder_ / "model"));
  const OutputShard shard = Shards(source, GetParam().scheme, GetParam().form)[0];
  ASSERT_OK_AND_ASSIGN(EncodedLinears encoded, EncodeLinears(Quantize(source), GetParam().form));
  QuantizedLinear& changed = encoded.linears.at("model.layers.0.mlp.up_proj");
  changed.codes = changed.codes.clone();
  changed.codes[3][5].neg_().sub_(1);
  EXPECT_THAT(WriteShard(folder_ / "shards", shard, encoded, source),
              StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("model.layers.0.mlp.up_proj reads back")));
}

constexpr StorageForm kPacked{.layout = CodeLayout::kPackQuantized};
constexpr StorageForm kHalfScales{.layout = CodeLayout::kPackQuantized, .scale_dtype = Dtype::kFloat16};
constexpr StorageForm kV1{.layout = CodeLayout::kGptqV1};
constexpr StorageForm kV2{.layout = CodeLayout::kGptqV2};
constexpr Symmetry kAsymmetric = Symmetry::kAsymmetric;

INSTANTIATE_TEST_SUITE_P(
    Forms, BlockShardTest,
    ::testing::Values(ShardCase{"packed2", kPacked, {.bits = 2, .group_size = 32}},
                      ShardCase{"packed3", kPacked, {.bits = 3, .group_size = 32}},
                      ShardCase{"packed4", kPacked, {.bits = 4, .group_size = 32}},
                      ShardCase{"packed5", kPacked, {.bits = 5, .group_size = 32}},
                      ShardCase{"packed6", kPacked, {.bits = 6, .group_size = 32}},
                      ShardCase{"packed7", kPacked, {.bits = 7, .group_size = 32}},
                      ShardCase{"packed8", kPacked, {.bits = 8, .group_size = 32}},
                      ShardCase{"packed4_asymmetric", kPacked, {.bits = 4, .group_size = 32, .symmetry = kAsymmetric}},
                      ShardCase{"packed8_asymmetric", kPacked, {.bits = 8, .group_size = 32, .symmetry = kAsymmetric}},
                      ShardCase{"packed4_half_scales", kHalfScales, {.bits = 4, .group_size = 32}},
                      ShardCase{"gptq2", kV1, {.bits = 2, .group_size = 32}},
                      ShardCase{"gptq3", kV1, {.bits = 3, .group_size = 32}},
                      ShardCase{"gptq4", kV1, {.bits = 4, .group_size = 32}},
                      ShardCase{"gptq8", kV1, {.bits = 8, .group_size = 32}},
                      ShardCase{"gptq_v2_4", kV2, {.bits = 4, .group_size = 32}},
                      ShardCase{"gptq_v2_3_asymmetric", kV2, {.bits = 3, .group_size = 32, .symmetry = kAsymmetric}},
                      ShardCase{"gptq_v2_4_asymmetric", kV2, {.bits = 4, .group_size = 32, .symmetry = kAsymmetric}}),
    [](const auto& test) { return std::string(test.param.name); });

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
  EXPECT_THAT(EncodeLinears(linears, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::HasSubstr("not exact in BFloat16")));
}

}  // namespace
}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "engine/format/linear_storage.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/model_shapes.h"

namespace pivot {
namespace {

TEST(LinearStorageTest, Packs32CodesIntoAsManyWordsAsTheyHaveBits) {
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    EXPECT_EQ(PackedWords(32, bits), bits);
    EXPECT_EQ(PackedWords(320, bits), 10 * bits);
    EXPECT_EQ(PackedWords(1, bits), 1);
    EXPECT_EQ(PackedWords(33, bits), bits + 1);
  }
  EXPECT_EQ(PackedWords(0, 4), 0);
}

TEST(LinearStorageTest, StandsForAWeightWithThreeTensors) {
  const std::vector<TensorSpec> tensors =
      StoredTensors("m.q_proj", {.out_features = 10, .in_features = 96}, {.scheme = {.bits = 3, .group_size = 32}});
  ASSERT_EQ(tensors.size(), 3U);
  EXPECT_EQ(tensors[0].name, "m.q_proj.weight_packed");
  EXPECT_EQ(tensors[0].dtype, Dtype::kInt32);
  EXPECT_EQ(tensors[0].shape, (std::vector<int64_t>{10, 9}));
  EXPECT_EQ(tensors[1].name, "m.q_proj.weight_scale");
  EXPECT_EQ(tensors[1].dtype, Dtype::kBfloat16);
  EXPECT_EQ(tensors[1].shape, (std::vector<int64_t>{10, 3}));
  EXPECT_EQ(tensors[2].name, "m.q_proj.weight_shape");
  EXPECT_EQ(tensors[2].dtype, Dtype::kInt64);
  EXPECT_EQ(tensors[2].shape, std::vector<int64_t>{2});
}

TEST(LinearStorageTest, HasZeroPointsWhenAsymmetric) {
  const WeightScheme scheme{.bits = 4, .group_size = 32, .symmetry = Symmetry::kAsymmetric};
  const std::vector<TensorSpec> tensors =
      StoredTensors("m", {.out_features = 10, .in_features = 96}, {.scheme = scheme});
  ASSERT_EQ(tensors.size(), 4U);
  EXPECT_EQ(tensors[3].name, "m.weight_zero_point");
  EXPECT_EQ(tensors[3].dtype, Dtype::kInt32);
  EXPECT_EQ(tensors[3].shape, (std::vector<int64_t>{2, 3})) << "ten rows in two words";
}

TEST(LinearStorageTest, RunsDownTheInputInGptq) {
  const std::vector<TensorSpec> tensors =
      StoredTensors("m", {.out_features = 64, .in_features = 96},
                    {.layout = CodeLayout::kGptqV2, .scheme = {.bits = 3, .group_size = 32}});
  ASSERT_EQ(tensors.size(), 4U);
  EXPECT_EQ(tensors[0].name, "m.qweight");
  EXPECT_EQ(tensors[0].shape, (std::vector<int64_t>{9, 64}));
  EXPECT_EQ(tensors[1].name, "m.qzeros");
  EXPECT_EQ(tensors[1].shape, (std::vector<int64_t>{3, 6}));
  EXPECT_EQ(tensors[2].name, "m.scales");
  EXPECT_EQ(tensors[2].dtype, Dtype::kFloat16);
  EXPECT_EQ(tensors[2].shape, (std::vector<int64_t>{3, 64}));
  EXPECT_EQ(tensors[3].name, "m.g_idx");
  EXPECT_EQ(tensors[3].shape, std::vector<int64_t>{96});
}

TEST(LinearStorageTest, CountsTheBytesOfTheseTensors) {
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    for (const int64_t in_features : {64, 96, 576, 1536}) {
      const LinearShape shape{.out_features = 7, .in_features = in_features};
      for (const CodeLayout layout : {CodeLayout::kPackQuantized, CodeLayout::kGptqV1}) {
        const LinearStorage storage{.layout = layout, .scheme = {.bits = bits, .group_size = 32}};
        int64_t bytes = 0;
        for (const TensorSpec& spec : StoredTensors("m", shape, storage))
          bytes += *NumElements(spec.shape) * DtypeBits(spec.dtype) / 8;
        EXPECT_EQ(StoredBytes(shape, storage), bytes);
      }
    }
  }
}

TEST(LinearStorageTest, CountsScalesAndPaddingAsBits) {
  EXPECT_EQ(BitsPerWeight({.out_features = 3, .in_features = 4096}, {.scheme = {.bits = 4, .group_size = 128}}), 4.125);
  EXPECT_EQ(BitsPerWeight({.out_features = 3, .in_features = 64}, {.scheme = {.bits = 2, .group_size = 32}}), 2.5);
  EXPECT_EQ(BitsPerWeight({.out_features = 64, .in_features = 128},
                          {.scheme = {.bits = 4, .group_size = 128, .symmetry = Symmetry::kAsymmetric}}),
            4.125 + 4.0 / 128);
  // GPTQ has zero points always, and an index for each column.
  EXPECT_EQ(BitsPerWeight({.out_features = 64, .in_features = 128},
                          {.layout = CodeLayout::kGptqV1, .scheme = {.bits = 4, .group_size = 128}}),
            4.125 + 4.0 / 128 + 32.0 / 64);
  // 20 codes of 3 bits take two words.
  EXPECT_EQ(BitsPerWeight({.out_features = 3, .in_features = 20}, {.scheme = {.bits = 3, .group_size = 20}}),
            (64.0 + 16.0) / 20);
}

}  // namespace
}  // namespace pivot

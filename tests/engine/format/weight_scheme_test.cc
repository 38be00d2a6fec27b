// SPDX-License-Identifier: Apache-2.0
#include "engine/format/weight_scheme.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pivot {
namespace {

TEST(WeightSchemeTest, Packs32CodesIntoAsManyWordsAsTheyHaveBits) {
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    EXPECT_EQ(PackedWords(32, bits), bits);
    EXPECT_EQ(PackedWords(320, bits), 10 * bits);
    EXPECT_EQ(PackedWords(1, bits), 1);
    EXPECT_EQ(PackedWords(33, bits), bits + 1);
  }
  EXPECT_EQ(PackedWords(0, 4), 0);
}

TEST(WeightSchemeTest, StandsForAWeightWithThreeTensors) {
  const std::vector<TensorSpec> tensors =
      PackedTensors("m.q_proj", {.out_features = 10, .in_features = 96}, {.bits = 3, .group_size = 32});
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

TEST(WeightSchemeTest, CountsTheBytesOfTheseTensors) {
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    for (const int64_t in_features : {64, 96, 576, 1536}) {
      const LinearShape shape{.out_features = 7, .in_features = in_features};
      const WeightScheme scheme{.bits = bits, .group_size = 32};
      int64_t bytes = 0;
      for (const TensorSpec& spec : PackedTensors("m", shape, scheme))
        bytes += *NumElements(spec.shape) * DtypeBits(spec.dtype) / 8;
      EXPECT_EQ(PackedBytes(shape, scheme), bytes);
    }
  }
}

TEST(WeightSchemeTest, CountsScalesAndPaddingAsBits) {
  EXPECT_EQ(BitsPerWeight({.out_features = 3, .in_features = 4096}, {.bits = 4, .group_size = 128}), 4.125);
  EXPECT_EQ(BitsPerWeight({.out_features = 3, .in_features = 64}, {.bits = 2, .group_size = 32}), 2.5);
  // 20 codes of 3 bits take two words.
  EXPECT_EQ(BitsPerWeight({.out_features = 3, .in_features = 20}, {.bits = 3, .group_size = 20}), (64.0 + 16.0) / 20);
}

TEST(WeightSchemeTest, ChoosesTheLargestGroupThatDividesAll) {
  EXPECT_EQ(AutomaticGroupSize({4096, 14336}), 128);
  EXPECT_EQ(AutomaticGroupSize({576, 1536}), 64);
  EXPECT_EQ(AutomaticGroupSize({128, 96}), 32);
  EXPECT_EQ(AutomaticGroupSize({128, 48}), 0);
  EXPECT_EQ(AutomaticGroupSize({100}), 0);
}

}  // namespace
}  // namespace pivot

// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/linear_tensors.h"

#include <ATen/ATen.h>
#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "engine/model/model_shapes.h"
#include "proto/status/reason.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

using Tensors = std::map<std::string, at::Tensor>;

constexpr LinearShape kShape{.out_features = 32, .in_features = 64};

QuantizedLinear Random(const WeightScheme& scheme) {
  at::manual_seed(7);
  const int half = 1 << (scheme.bits - 1);
  const int64_t groups = kShape.in_features / scheme.group_size;
  QuantizedLinear linear{
      .codes = at::randint(-half, half, {kShape.out_features, kShape.in_features}, at::kLong).to(at::kChar),
      .scale = at::rand({kShape.out_features, groups}).add_(0.1).to(at::kBFloat16).to(at::kFloat),
      .scheme = scheme};
  if (!scheme.is_symmetric())
    linear.zero_point = at::randint(-half, half, {kShape.out_features, groups}, at::kLong).to(at::kChar);
  return linear;
}

TensorLookup In(const Tensors& tensors) {
  return [&tensors](const std::string& name) -> absl::StatusOr<at::Tensor> {
    const auto found = tensors.find(name);
    return found == tensors.end() ? at::Tensor() : found->second;
  };
}

std::vector<uint32_t> Words(const at::Tensor& tensor) {
  const auto* data = reinterpret_cast<const uint32_t*>(tensor.const_data_ptr<int32_t>());
  return {data, data + tensor.numel()};
}

std::vector<uint32_t> ZeroWords(int bits, CodeLayout layout) {
  const LinearStorage storage{.layout = layout, .scheme = {.bits = bits, .group_size = 64}};
  return Words(EncodeLinear(Random(storage.scheme), "m", storage)->at("m.qzeros"));
}

// The words that GPTQ's readers expect of symmetric layers.
TEST(LinearTensorsTest, WritesTheZeroPointsOfGptq) {
  EXPECT_THAT(ZeroWords(4, CodeLayout::kGptqV1), Each(0x77777777U));
  EXPECT_THAT(ZeroWords(4, CodeLayout::kGptqV2), Each(0x88888888U));
  EXPECT_THAT(ZeroWords(2, CodeLayout::kGptqV1), Each(0x55555555U));
  EXPECT_THAT(ZeroWords(2, CodeLayout::kGptqV2), Each(0xAAAAAAAAU));
  EXPECT_THAT(ZeroWords(8, CodeLayout::kGptqV1), Each(0x7F7F7F7FU));
  EXPECT_THAT(ZeroWords(8, CodeLayout::kGptqV2), Each(0x80808080U));
  EXPECT_EQ(ZeroWords(3, CodeLayout::kGptqV1), (std::vector<uint32_t>{0xDB6DB6DB, 0xB6DB6DB6, 0x6DB6DB6D}));
  EXPECT_EQ(ZeroWords(3, CodeLayout::kGptqV2), (std::vector<uint32_t>{0x24924924, 0x49249249, 0x92492492}));
}

TEST(LinearTensorsTest, HoldsTheSameFieldsInBothFormats) {
  for (const Symmetry symmetry : {Symmetry::kSymmetric, Symmetry::kAsymmetric}) {
    const WeightScheme scheme{.bits = 4, .group_size = 32, .symmetry = symmetry};
    const QuantizedLinear linear = Random(scheme);
    ASSERT_OK_AND_ASSIGN(const Tensors packed, EncodeLinear(linear, "m", {.scheme = scheme}));
    ASSERT_OK_AND_ASSIGN(const Tensors gptq,
                         EncodeLinear(linear, "m", {.layout = CodeLayout::kGptqV2, .scheme = scheme}));
    EXPECT_TRUE(at::equal(packed.at("m.weight_packed").t(), gptq.at("m.qweight")));
    EXPECT_TRUE(at::equal(packed.at("m.weight_scale").t().to(at::kFloat), gptq.at("m.scales").to(at::kFloat)));
    if (!scheme.is_symmetric()) {
      EXPECT_TRUE(at::equal(packed.at("m.weight_zero_point").t(), gptq.at("m.qzeros")));
    }
  }
}

TEST(LinearTensorsTest, ReadsTheLayerBack) {
  for (const CodeLayout layout : {CodeLayout::kPackQuantized, CodeLayout::kGptqV1, CodeLayout::kGptqV2}) {
    for (const int bits : {2, 3, 4, 8}) {
      const LinearStorage storage{.layout = layout, .scheme = {.bits = bits, .group_size = 32}};
      const QuantizedLinear linear = Random(storage.scheme);
      ASSERT_OK_AND_ASSIGN(const Tensors tensors, EncodeLinear(linear, "m", storage));
      ASSERT_OK_AND_ASSIGN(const QuantizedLinear read, DecodeLinear(In(tensors), "m", kShape, storage));
      EXPECT_TRUE(at::equal(read.codes, linear.codes));
      EXPECT_TRUE(at::equal(read.scale, linear.scale));
      EXPECT_FALSE(read.zero_point.defined());
      EXPECT_FALSE(read.group_of_column.defined());
    }
  }
}

TEST(LinearTensorsTest, ReadsColumnsInTheOrderOfTheirGroups) {
  const LinearStorage storage{.layout = CodeLayout::kGptqV1, .scheme = {.bits = 4, .group_size = 32}};
  const QuantizedLinear linear = Random(storage.scheme);
  ASSERT_OK_AND_ASSIGN(Tensors tensors, EncodeLinear(linear, "m", storage));
  tensors["m.g_idx"] = at::arange(64, at::kInt).remainder(2);
  ASSERT_OK_AND_ASSIGN(const QuantizedLinear read, DecodeLinear(In(tensors), "m", kShape, storage));
  const at::Tensor expected =
      linear.codes.to(at::kFloat) * linear.scale.index_select(1, at::arange(64, at::kLong).remainder(2));
  EXPECT_TRUE(at::equal(Dequantize(read), expected));
  EXPECT_THAT(EncodeLinear(read, "m", {.scheme = storage.scheme}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("desc_act")));
  ASSERT_OK_AND_ASSIGN(const Tensors again, EncodeLinear(read, "m", storage));
  EXPECT_TRUE(at::equal(again.at("m.g_idx"), tensors.at("m.g_idx")));
}

TEST(LinearTensorsTest, PackedCodesOfTwoLayoutsAreComparedBitByBit) {
  const WeightScheme scheme{.bits = 4, .group_size = 32};
  const QuantizedLinear linear = Random(scheme);
  const LinearStorage ours{.scheme = scheme};
  const LinearStorage gptq{.layout = CodeLayout::kGptqV1, .scheme = scheme};
  ASSERT_OK_AND_ASSIGN(const Tensors packed, EncodeLinear(linear, "m", ours));
  ASSERT_OK_AND_ASSIGN(const Tensors turned, EncodeLinear(linear, "m", gptq));
  ASSERT_OK_AND_ASSIGN(const PackedLinear first, ReadPacked(In(packed), "m", kShape, ours));
  ASSERT_OK_AND_ASSIGN(const PackedLinear second, ReadPacked(In(turned), "m", kShape, gptq));
  EXPECT_TRUE(HoldSameCodes(first, second));
  EXPECT_TRUE(HoldSameCodes(second, second));
  for (const char* name : {"m.qweight", "m.scales", "m.qzeros", "m.g_idx"}) {
    Tensors changed = turned;
    changed[name] = changed[name].clone();
    at::Tensor last = changed[name].flatten()[-1];
    last.copy_(name == std::string("m.scales") ? last * 2 : last.bitwise_xor(1));
    ASSERT_OK_AND_ASSIGN(const PackedLinear other, ReadPacked(In(changed), "m", kShape, gptq));
    EXPECT_FALSE(HoldSameCodes(first, other)) << name;
    EXPECT_FALSE(HoldSameCodes(second, other)) << name;
  }
}

TEST(LinearTensorsTest, RefusesAGroupThatIsNotThere) {
  const LinearStorage storage{.layout = CodeLayout::kGptqV1, .scheme = {.bits = 4, .group_size = 32}};
  ASSERT_OK_AND_ASSIGN(Tensors tensors, EncodeLinear(Random(storage.scheme), "m", storage));
  for (const int group : {-1, 2}) {
    tensors["m.g_idx"] = at::full({64}, group, at::kInt);
    const auto read = DecodeLinear(In(tensors), "m", kShape, storage);
    EXPECT_THAT(read, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("m.g_idx")));
    EXPECT_EQ(ReasonOf(read.status()), "MALFORMED_WEIGHTS");
  }
}

TEST(LinearTensorsTest, TakesAMissingIndexForTheOrderOfColumns) {
  const LinearStorage storage{.layout = CodeLayout::kGptqV2, .scheme = {.bits = 4, .group_size = 32}};
  const QuantizedLinear linear = Random(storage.scheme);
  ASSERT_OK_AND_ASSIGN(Tensors tensors, EncodeLinear(linear, "m", storage));
  tensors.erase("m.g_idx");
  ASSERT_OK_AND_ASSIGN(const QuantizedLinear read, DecodeLinear(In(tensors), "m", kShape, storage));
  EXPECT_TRUE(at::equal(Dequantize(read), Dequantize(linear)));
}

TEST(LinearTensorsTest, ReadsZeroPointsThatTheConfigurationDoesNotSpeakOf) {
  const WeightScheme asymmetric{.bits = 4, .group_size = 32, .symmetry = Symmetry::kAsymmetric};
  const QuantizedLinear linear = Random(asymmetric);
  const LinearStorage written{.layout = CodeLayout::kGptqV2, .scheme = asymmetric};
  ASSERT_OK_AND_ASSIGN(const Tensors tensors, EncodeLinear(linear, "m", written));
  LinearStorage claimed = written;
  claimed.scheme.symmetry = Symmetry::kSymmetric;
  ASSERT_OK_AND_ASSIGN(const QuantizedLinear read, DecodeLinear(In(tensors), "m", kShape, claimed));
  EXPECT_FALSE(read.scheme.is_symmetric());
  EXPECT_TRUE(at::equal(Dequantize(read), Dequantize(linear)));
}

TEST(LinearTensorsTest, RefusesWhatALayoutCannotExpress) {
  const WeightScheme asymmetric{.bits = 4, .group_size = 32, .symmetry = Symmetry::kAsymmetric};
  const auto v1 = EncodeLinear(Random(asymmetric), "m", {.layout = CodeLayout::kGptqV1, .scheme = asymmetric});
  EXPECT_THAT(v1, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("gptq_v2")));
  EXPECT_EQ(ReasonOf(v1.status()), "FORMAT_CANNOT_EXPRESS");
  QuantizedLinear fine = Random({.bits = 4, .group_size = 32});
  fine.scale[0][0] = 1.0F + 1.0F / 1024;  // fp16's, not bf16's
  EXPECT_THAT(EncodeLinear(fine, "m", {.scheme = fine.scheme}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not exact in BFloat16")));
  EXPECT_OK(EncodeLinear(fine, "m", {.layout = CodeLayout::kGptqV1, .scheme = fine.scheme}));
}

}  // namespace
}  // namespace pivot
